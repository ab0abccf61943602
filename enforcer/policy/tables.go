package policy

import (
	"net/netip"
)

// EndpointID names one pod for as long as it lives: a hash of the pod's UID,
// so that it survives a restart of the enforcer and is never given to another
// pod (SEMANTICS P16, P21). Zero is no endpoint.
type EndpointID uint64

// PolicyID names one compiled policy of one direction by its content. Pods
// with the same effective rules share it. Zero is "no rules at all".
type PolicyID uint64

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
	Addresses map[netip.Addr]Peer
	// Prefixes holds CIDR peers; the class of a prefix contains every wider
	// prefix of its family that covers it. IPv4 prefixes are kept as IPv4.
	// Whenever an IPv6 prefix shorter than /96 covers ::ffff:0:0/96, the
	// prefix 0.0.0.0/0 is present too, so that IPv4 never falls into IPv6
	// (SEMANTICS P11).
	Prefixes map[netip.Prefix]ClassID
	// Ports are disjoint and sorted by (protocol, first port). Ports in no
	// span have class zero.
	Ports []PortSpan
	// Rows are the verdict parts. A row of a class other than AnyPeer already
	// contains what the AnyPeer row of the same port class says, and exists
	// only where the two differ. Name classes have rows as well, which hold
	// what the name rules alone say.
	Rows map[RowKey]Row
}

// Endpoint is one pod of this node as the kernel sees it.
type Endpoint struct {
	Pod PodRef
	// Addresses are the pod's own, which it may always reach (P19).
	Addresses []netip.Addr
	Ingress   Attachment
	Egress    Attachment
	// Default decides where no tier does (SEMANTICS P7).
	Default Verdict
	// Patterns are the name patterns of the pod's rules in canonical form
	// (names.Pattern.String), sorted. Empty for pods without name rules.
	Patterns []string
}

// Attachment is the policy of one direction.
type Attachment struct {
	Policy PolicyID
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
}

// PortSpan gives a class to the ports First to Last, inclusive, of one
// protocol (an IANA number: TCP 6, UDP 17, SCTP 132).
type PortSpan struct {
	Protocol    uint8
	First, Last uint16
	Class       PortClass
}

// RowKey is where a verdict part is looked up.
type RowKey struct {
	Policy PolicyID
	Peer   ClassID
	Port   PortClass
}

// Row is what one policy says about one peer class and one port class.
type Row struct {
	// Admin and Baseline are the first rule of that tier that matches.
	Admin, Baseline Precedence
	// NetworkPolicy is 1 + the index of a rule of the NetworkPolicy tier
	// that allows, or 0 where none does.
	NetworkPolicy uint32
}

// Precedence is index<<2 | action of the first rule that matches; the rule's
// index counts from 1 within the tier of this policy, smaller is earlier, and
// ClosedIndex comes before all. So the
// minimum of two precedences is the one that decides.
type Precedence uint32

// NoRule is the precedence of a tier in which nothing matches.
const NoRule Precedence = 1<<32 - 1
