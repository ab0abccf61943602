// What the policy says about a new connection. Knows no packets and no state.
#pragma once

#include <linux/in.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "types.h"

// A reason, and above it the index of the rule that decided within its tier,
// or NO_RULE. One register: functions of BPF return no structures.
typedef __u64 judgement;

static __always_inline judgement judged(__u32 reason, __u32 rule)
{
	return (__u64)rule << 32 | reason;
}

static __always_inline __u32 reason_of(judgement judgement)
{
	return (__u32)judgement;
}

static __always_inline __u32 rule_of(judgement judgement)
{
	return judgement >> 32;
}

static __always_inline int passes(judgement judgement)
{
	return reason_of(judgement) >= FIRST_PASS;
}

// The class of a destination port; zero where no policy has ports for it.
static __always_inline __u64 port_class(__u8 protocol, __be16 port)
{
	__u32 index = bpf_ntohs(port);
	__u64 *class;

	if (protocol == IPPROTO_UDP)
		index += 65536;
	else if (protocol == IPPROTO_SCTP)
		index += 2 * 65536;
	else if (protocol != IPPROTO_TCP)
		return 0;
	class = bpf_map_lookup_elem(&ports, &index);
	return class ? *class : 0;
}

// Multiplicative hash (Knuth, TAOCP 6.4); the enforcer computes the same.
static __always_inline int maybe_exact(const union address *address)
{
	__u32 mixed = address->word[0] ^ address->word[1] ^ address->word[2] ^ address->word[3];
	__u32 bit = (mixed * 0x9e3779b1U) % (1U << 31) >> 11;
	__u32 index = bit / 64;
	__u64 *trace = bpf_map_lookup_elem(&traces, &index);

	return trace && *trace >> bit % 64 & 1;
}

// The class of a peer, and whether it is this node itself.
static __always_inline struct peer peer_of(const union address *address)
{
	struct prefix_key key = {.length = 128};
	struct peer *exact, peer = {};
	__u64 *class;

	// On the stack: the verifier of Linux 6.1 takes no argument of judge for a
	// key.
	__builtin_memcpy(key.word, address, sizeof(key.word));
	if (maybe_exact(address)) {
		exact = bpf_map_lookup_elem(&addresses, key.word);
		if (exact)
			return *exact;
	}
	class = bpf_map_lookup_elem(&prefixes, &key);
	if (class)
		peer.class = *class;
	return peer;
}

static __always_inline struct row no_row(void)
{
	return (struct row){.admin = NO_RULE, .baseline = NO_RULE};
}

// A class without a row of its own is what every peer is.
static __always_inline struct row address_row(__u64 policy, __u64 class, __u64 port)
{
	struct row_key key = {.policy = policy, .class = class, .port = port};
	struct row *row = bpf_map_lookup_elem(&rows, &key);

	if (!row && class) {
		key.class = 0;
		row = bpf_map_lookup_elem(&rows, &key);
	}
	return row ? *row : no_row();
}

static __always_inline struct row name_row(__u64 policy, __u64 class, __u64 port)
{
	struct row_key key = {.policy = policy, .class = class, .port = port};
	struct row *row = bpf_map_lookup_elem(&rows, &key);

	return row ? *row : no_row();
}

static __always_inline int denies(__u32 precedence)
{
	__u32 action = precedence & ACTION_MASK;

	return action == ACTION_DENY || action == ACTION_UNKNOWN;
}

// SEMANTICS P2, P3, P6: Admin, then NetworkPolicy where the pod is isolated,
// else Baseline, else the node default. by_address is what the rules say of
// the peer's address, by_name what they say of the name it was learnt by: the
// smaller precedence came first.
static __always_inline judgement merge(const struct endpoint *endpoint, __u32 direction,
				       const struct row *by_address, const struct row *by_name)
{
	__u32 admin = by_name->admin < by_address->admin ? by_name->admin : by_address->admin;
	__u32 baseline = by_name->baseline < by_address->baseline ? by_name->baseline : by_address->baseline;

	if (admin != NO_RULE && (admin & ACTION_MASK) != ACTION_PASS) {
		if (denies(admin))
			return judged(DROP_ADMIN, admin >> 2);
		return judged(admin == by_address->admin ? PASS_ADMIN : PASS_ADMIN_NAME, admin >> 2);
	}
	if (endpoint->isolated[(direction - 1) & 1]) {
		if (by_address->network_policy)
			return judged(PASS_NETWORK_POLICY, by_address->network_policy - 1);
		if (by_name->network_policy)
			return judged(PASS_NETWORK_POLICY_NAME, by_name->network_policy - 1);
		return judged(DROP_NETWORK_POLICY, NO_RULE);
	}
	if (baseline != NO_RULE && (baseline & ACTION_MASK) != ACTION_PASS) {
		if (denies(baseline))
			return judged(DROP_BASELINE, baseline >> 2);
		return judged(baseline == by_address->baseline ? PASS_BASELINE : PASS_BASELINE_NAME,
			      baseline >> 2);
	}
	return judged(endpoint->default_allow ? PASS_DEFAULT : DROP_DEFAULT, NO_RULE);
}

// Judges a connection in the direction it is opened. name_class is the class
// of the grant that vouches for the peer, or 0. Not static: proven once.
__noinline judgement judge(const struct endpoint *endpoint, __u32 direction, const struct flow *flow,
			   __u64 name_class)
{
	struct row by_address = no_row(), by_name = no_row();
	__u64 policy, port = 0;
	struct peer peer;

	if (!endpoint || !flow)
		return judged(REASON_UNKNOWN, NO_RULE);
	policy = endpoint->policy[(direction - 1) & 1];
	if (policy)
		port = port_class(flow->protocol, direction == EGRESS ? flow->peer_port : flow->pod_port);
	if (policy && name_class) {
		by_name = name_row(policy, name_class, port);
		if (endpoint->names & NAMES_FIRST && by_name.network_policy && by_name.admin == NO_RULE &&
		    endpoint->isolated[(direction - 1) & 1])
			return judged(PASS_NETWORK_POLICY_NAME, by_name.network_policy - 1);
	}
	peer = peer_of(&flow->peer);
	// The node's own probes reach its pods whatever the policies say (P18).
	if (direction == INGRESS && peer.local_node)
		return judged(PASS_LOCAL_NODE, NO_RULE);
	if (policy)
		by_address = address_row(policy, peer.class, port);
	return merge(endpoint, direction, &by_address, &by_name);
}
