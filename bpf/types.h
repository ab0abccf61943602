// Constants and structures: what the kernel and the enforcer agree on. bpf2go
// turns them into Go (bpf_bpfel.go); a test pins their sizes.
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>

// A policed pod has two hooks on its host-side interface. Values as in the
// Go type policy.Direction.
enum direction {
	DIRECTION_UNKNOWN = 0,
	INGRESS = 1, // into the pod: the interface's egress hook
	EGRESS = 2,  // out of the pod: the interface's ingress hook
	DIRECTIONS = 2,
};

// Why a packet passed or not. Zero is a drop, so that a path which forgets to
// give a reason denies. Names, tiers and sentences for people: reason.go.
enum reason {
	REASON_UNKNOWN = 0,

	DROP_NO_ENDPOINT,	// the interface has no entry (yet)
	DROP_NO_STATE,		// no connection table for the pod
	DROP_TRUNCATED,		// a header is not there in full
	DROP_ETHERTYPE,		// neither IP nor ARP
	DROP_VLAN,		// tagged: the addresses belong to another network
	DROP_BAD_HEADER,	// lengths or versions contradict each other
	DROP_SOURCE_ROUTE,	// the destination field is not the destination
	DROP_EXTENSION_HEADERS, // more IPv6 extension headers than anybody needs
	DROP_MAPPED_ADDRESS,	// IPv6 header with an IPv4-mapped address
	DROP_FRAGMENT_UNKNOWN,	// later fragment of a datagram not known to be allowed
	DROP_FRAGMENT_TINY,	// first fragment without its transport header
	DROP_FRAGMENT_OVERLAP,	// fragment that would rewrite the transport header
	DROP_NEIGHBOUR,		// neighbour discovery that crossed a router or has the wrong role
	DROP_ADMIN,
	DROP_NETWORK_POLICY,
	DROP_BASELINE,
	DROP_DEFAULT,
	DROP_SERVICE,	  // a Service with more kinds of backends than can be judged
	DROP_UNKNOWN_POD, // an interface like a pod's, and no pod is known there yet

	PASS_ESTABLISHED, // known connection, same direction as its opener
	PASS_REPLY,	  // known connection, other direction
	PASS_RELATED,	  // ICMP error that quotes a known connection
	PASS_FRAGMENT,	  // later fragment of an allowed datagram
	PASS_ARP,
	PASS_NEIGHBOUR,
	PASS_SELF,
	PASS_LOCAL_NODE,
	PASS_ADMIN,
	PASS_ADMIN_NAME,
	PASS_NETWORK_POLICY,
	PASS_NETWORK_POLICY_NAME,
	PASS_BASELINE,
	PASS_BASELINE_NAME,
	PASS_DEFAULT,

	REASONS,
};

#define FIRST_PASS PASS_ESTABLISHED

// The low bits of a precedence. Zero denies.
enum action {
	ACTION_UNKNOWN = 0,
	ACTION_ACCEPT = 1,
	ACTION_DENY = 2,
	ACTION_PASS = 3,
};
#define ACTION_MASK 3
#define NO_RULE 0xffffffffU

// IPv4 is kept as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2): one code path, one set
// of maps. An IPv6 packet that carries such an address is dropped.
union address {
	__u8 byte[16];
	__u32 word[4];
	__u64 half[2];
};

#define OWN_ADDRESSES 2 // one of each family

// The tiers that have rules, in order of evaluation.
enum tier {
	TIER_ADMIN = 0,
	TIER_NETWORK_POLICY = 1,
	TIER_BASELINE = 2,
	TIERS = 3,
};

// All that decides about a pod's packets.
struct stance {
	__u64 list[DIRECTIONS][TIERS]; // 0: no rules
	__u8 wide[DIRECTIONS];	       // bit by tier: the list has rows of every peer
	__u8 isolated[DIRECTIONS];
	__u8 default_allow;
	__u8 zero[3];
};

enum stance_index {
	ENFORCED = 0,
	// With what is on trial: what this denies and the other does not is
	// reported, and passes (SEMANTICS P23).
	AUDITED = 1,
	STANCES = 2,
};

// A pod of this node.
struct endpoint {
	__u64 id;   // 0: the slot is free
	__u32 slot; // its own index
	__u8 names; // it has name rules; without, grants are not looked up
	__u8 audited;
	__u8 unknown; // whoever is at interfaces of no known pod
	__u8 zero;
	// Its addresses, zero where it has fewer. Of more, the others are peers.
	union address own[OWN_ADDRESSES];
	struct stance stances[STANCES];
};

// A packet must see the whole old or the whole new endpoint (D7), and an array
// is written byte by byte: the loader fills the view that is not active, then
// changes `active` alone. It lets an RCU grace period pass before it fills the
// other view again.
struct views {
	struct endpoint view[2];
	__u64 active;
};

// Where a pod's tables are, found by the low bits of its ifindex. Only a short
// cut: where two pods' indices fall on one place, the table `slots` knows.
struct place {
	__u32 ifindex;
	__u32 slot;
};

enum {
	PEER_LOCAL_NODE = 1, // this node itself
	PEER_SERVICE = 2,    // an address of Services
};

struct peer {
	__u64 class;
	__u64 flags; // 8 bytes so that no padding is left to chance
};

// Where a list of rules is looked into.
struct cell {
	__u64 class;
	__u64 port;
};

struct service_key {
	union address address;
	__u16 port; // network byte order
	__u8 protocol;
	__u8 zero[5];
};

#define MAX_TARGETS 16

// The kinds of backends behind a service port. More than MAX_TARGETS are not
// listed, and nothing passes.
struct service {
	__u64 count;
	struct cell of[MAX_TARGETS];
};

// The bits follow the length without a gap (struct bpf_lpm_trie_key_u8).
struct prefix_key {
	__u32 length; // in bits of the 16-byte form
	__u32 word[4];
};

// The value is the precedence of the first rule that matches there: index << 2
// | action. No row says NO_RULE.
struct row_key {
	__u64 list;
	__u64 class;
	__u64 port;
};

// An address that a pod has learnt by name. Later versions add to the end, so
// that tables of earlier ones can be taken over.
struct grant {
	__u64 class;
	__u64 expires; // until when it opens connections, ns of CLOCK_MONOTONIC
	__u64 held;    // until when it vouches for those that are open (N6)
};

// What a flow entry stands for. Echo requests of either side and fragments of
// either direction have entries of their own, so that none can pass as another.
enum kind {
	KIND_TRANSPORT = 0,
	KIND_ECHO_INGRESS = 1, // INGRESS
	KIND_ECHO_EGRESS = 2,  // EGRESS
	KIND_FRAGMENT = 16,    // + direction
};

// Keyed from the pod's side: both directions of a connection are one look-up.
// Ports in network byte order; for echo both are the identifier, for fragments
// they hold the datagram's identification.
struct flow {
	union address peer;
	__u16 peer_port;
	__u16 pod_port;
	__u8 protocol;
	__u8 kind;
	__u16 zero;
};

enum connection_flag {
	CONNECTION_REPLIED = 1,
	CONNECTION_FIN_OPENER = 2,
	CONNECTION_FIN_OTHER = 4,
	CONNECTION_RESET = 8,
};

struct connection {
	// Of the grant that was live when it was opened, or 0. Of a fragment: what
	// the datagram's flow has and later fragments do not tell (packed_flow).
	__u64 name_class;
	__u64 last_seen; // ns since some moment at boot, at most a second old
	__u32 epoch;	 // of the last judgement
	__u8 opener;	 // enum direction
	__u8 flags;
	__u16 zero;
};

// How many seconds without a packet a connection lives.
enum idle {
	IDLE_TCP = 432000,
	IDLE_TCP_UNREPLIED = 120,
	IDLE_TCP_CLOSING = 10,
	IDLE_SCTP = 432000,
	IDLE_UDP = 180,
	IDLE_UNREPLIED = 30,
	IDLE_ECHO = 30,
	IDLE_FRAGMENT = 30, // as net.ipv4.ipfrag_time
};

struct counter {
	__u64 packets;
	__u64 bytes;
};

// One per node. Every change of what the tables say bumps the epoch, and every
// connection is judged again at its next packet.
struct world {
	__u32 epoch;
};

// How many denials of a pod were reported in the current second.
struct budget {
	__u64 second;
	__u32 spent;
	__u32 zero;
};

// A denied packet, or one that would be, for people.
struct denial {
	__u64 time; // ns of CLOCK_MONOTONIC
	__u64 endpoint;
	__u64 list; // of the tier that decided
	union address pod;
	union address peer;
	__u32 rule;	// index within its list, or NO_RULE
	__u16 pod_port; // network byte order
	__u16 peer_port;
	__u8 protocol;
	__u8 direction;
	__u8 reason;
	__u8 target; // 1 + index of the denied kind of backend of a Service, or 0
	__u8 audit;  // it passed
	__u8 zero[3];
};

// Types that no map and no function signature names reach BTF, and from there
// Go, only through a variable.
const enum action *action_in_btf __attribute__((unused));
const enum direction *direction_in_btf __attribute__((unused));
const enum tier *tier_in_btf __attribute__((unused));
const enum kind *kind_in_btf __attribute__((unused));
const enum connection_flag *connection_flag_in_btf __attribute__((unused));
const enum idle *idle_in_btf __attribute__((unused));
const enum reason *reason_in_btf __attribute__((unused));
const struct denial *denial_in_btf __attribute__((unused));
const struct flow *flow_in_btf __attribute__((unused));
const struct connection *connection_in_btf __attribute__((unused));
const struct grant *grant_in_btf __attribute__((unused));
const struct endpoint *endpoint_in_btf __attribute__((unused));
