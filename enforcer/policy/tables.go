package policy

import (
	"net/netip"

	"github.com/nameward/nameward/enforcer/policy/atlas"
)

// EndpointID names one pod for as long as it lives: a hash of the pod's UID,
// so that it survives a restart of the enforcer and is never given to another
// pod (SEMANTICS P16, P21). Zero is no endpoint.
type EndpointID uint64

// ListID names the rules of one tier and direction, as they apply to a pod, by
// their content. Pods with the same rules share them. Zero is "no rules".
type ListID uint64

// ClassID names a set by its content: a peer class is the set of all rules'
// peer lists that match an address (addresses that no rule tells apart share a
// class), a name class the set of name patterns that admitted an address. Zero
// is the class of addresses that no list in use matches; rows under it speak
// for every peer.
type ClassID uint64

// PortClass names a set of rules' port lists by its content. Zero is the class
// of everything that no port list in use covers, protocols without ports
// included.
type PortClass uint64

// AnyPeer is the class whose rows hold for every peer.
const AnyPeer ClassID = 0

// Tables is what the kernel needs to judge every packet of this node's pods.
// It is a pure function of the World: the same World gives the same Tables,
// ids included, on any machine and after any restart. Immutable once built.
type Tables struct {
	// Endpoints are the policed pods of this node.
	Endpoints map[EndpointID]Endpoint
	// Addresses holds exact peers. The class of an address already contains
	// every CIDR selector that covers it.
	Addresses atlas.Map[netip.Addr, Peer]
	// Prefixes holds CIDR peers; the class of a prefix contains every wider
	// prefix of its family that covers it. IPv4 prefixes are kept as IPv4.
	// Whenever an IPv6 prefix shorter than /96 covers ::ffff:0:0/96, the
	// prefix 0.0.0.0/0 is present too, so that IPv4 never falls into IPv6
	// (SEMANTICS P11).
	Prefixes map[netip.Prefix]ClassID
	// Ports are disjoint and sorted by (protocol, first port). Ports in no
	// span have class zero.
	Ports []PortSpan
	// Services say what is behind a service address and port (SEMANTICS P22).
	// Every such address is in Addresses, marked.
	Services atlas.Map[ServiceKey, Targets]
	// Lists hold what the rules of each tier say.
	Lists map[ListID]*List
	// NameRows hold what name rules say about the name classes in use. Compile
	// leaves them out: who knows the classes adds them (Compiled.NameRows).
	NameRows map[RowKey]Precedence
}

// List is what the rules of one tier say about every class. Immutable, and
// shared between Tables where it is the same.
type List struct {
	// Rows of a class other than AnyPeer already contain what the AnyPeer row
	// of the same port class says, and exist only where the two differ.
	Rows map[Cell]Precedence
	// Wide says that some row is of AnyPeer: without, an address of no row
	// needs no second look.
	Wide bool
}

// Cell is where a List is looked into.
type Cell struct {
	Peer ClassID
	Port PortClass
}

// RowKey is a Cell of the List of that id.
type RowKey struct {
	List ListID
	Cell
}

// Endpoint is one pod of this node as the kernel sees it.
type Endpoint struct {
	Pod PodRef
	// Addresses are the pod's own, which it may always reach (P19).
	Addresses []netip.Addr
	// Stance is what is in force.
	Stance
	// Audited says that something which concerns the pod is on trial. Audit is
	// then what would be in force if nothing were (P23).
	Audited bool
	Audit   Stance
	// Patterns are the name patterns of the pod's rules in canonical form
	// (names.Pattern.String), sorted. Empty for pods without name rules.
	Patterns []string
	// Lockdown says what becomes of the pod's queries for other names.
	Lockdown Lockdown
	// Terms are what policies say of the addresses learnt under a pattern. A
	// pattern that is not in it is left to the node's settings. Nothing in the
	// kernel depends on it; shared, and not to be changed.
	Terms map[string]Terms
}

// Stance is all that decides about a pod's packets.
type Stance struct {
	Ingress, Egress Attachment
	// Default decides where no tier does (SEMANTICS P7).
	Default Verdict
}

// Attachment is the rules of one direction.
type Attachment struct {
	Admin, NetworkPolicy, Baseline ListID
	// Isolated says that at least one NetworkPolicy or
	// ApplicationNetworkPolicy selects the pod for this direction (P6).
	Isolated bool
}

// PodRef identifies a pod to people.
type PodRef struct {
	Namespace, Name string
	UID             string
}

// Peer is the entry of one exact address.
type Peer struct {
	Class ClassID
	// LocalNode marks an address of this node itself, whose traffic into
	// local pods is never denied (P18).
	LocalNode bool
	// Service marks an address that Services have.
	Service bool
}

// PortSpan gives a class to the ports First to Last, inclusive, of one
// protocol (an IANA number: TCP 6, UDP 17, SCTP 132).
type PortSpan struct {
	Protocol    uint8
	First, Last uint16
	Class       PortClass
}

// ServiceKey is a port of a Service at one of its addresses.
type ServiceKey struct {
	Addr     netip.Addr
	Protocol uint8
	Port     uint16
}

// MaxTargets is how many kinds of backends one service port may have. Backends
// that no rule tells apart are one kind, so that a Service of one workload has
// one.
const MaxTargets = 16

// Targets are the kinds of backends of a service port, without repetition. A
// connection needs all of them allowed, because which backend it gets is
// decided after the verdict.
type Targets struct {
	// Count is more than MaxTargets where there are too many to say; then
	// nothing may pass.
	Count int
	Of    [MaxTargets]Cell
}

// Precedence is index<<2 | action of the first rule of a List that matches. The
// rule's index counts from 1, smaller is earlier, and ClosedIndex comes before
// all. So the minimum of two precedences is the one that decides.
type Precedence uint32

// NoRule is the precedence of a tier in which nothing matches.
const NoRule Precedence = 1<<32 - 1
