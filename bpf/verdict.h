// What the policy says about a new connection. Knows no packets and no state.
#pragma once

#include <linux/in.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "types.h"

// A reason in the low byte, above it 1 + the kind of backend that decided where
// the peer is a Service, and in the upper half the index of the rule within its
// list, or NO_RULE. One register: functions of BPF return no structures.
typedef __u64 judgement;

static __always_inline judgement judged(__u32 reason, __u32 rule)
{
	return (__u64)rule << 32 | reason;
}

static __always_inline __u32 reason_of(judgement judgement)
{
	return (__u8)judgement;
}

static __always_inline __u32 target_of(judgement judgement)
{
	return (__u8)(judgement >> 8);
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

// No row says nothing, and no row does not say more: see struct row_key.
static __always_inline __u32 row_of(__u64 list, __u64 class, __u64 port)
{
	struct row_key key = {.list = list, .class = class, .port = port};
	__u32 *row = bpf_map_lookup_elem(&rows, &key);

	return row ? *row : NO_RULE;
}

// A packet that is about to be judged.
struct question {
	struct cell peer;
	__u64 name_class;
	__u32 direction;
	__u32 zero;
};

// A class without a row of its own is what every peer is.
static __always_inline __u32 address_row(const struct stance *stance, __u32 side, __u32 tier,
					 const struct cell *cell)
{
	__u64 list = stance->list[side][tier];
	__u32 row = NO_RULE;

	if (cell->class)
		row = row_of(list, cell->class, cell->port);
	if (row == NO_RULE && stance->wide[side] & 1 << tier)
		row = row_of(list, 0, cell->port);
	return row;
}

// The first rule of a tier that matches, and in named whether it does so by
// the name that the peer was learnt by. Where the peer is a Service, a rule may
// match its own address and port, or those of the backend behind.
static __always_inline __u32 first_rule(const struct stance *stance, __u32 tier,
					const struct question *question, const struct cell *behind,
					int *named)
{
	__u32 side = (question->direction - 1) & 1;
	__u64 list = stance->list[side][tier];
	__u32 first, other;

	*named = 0;
	if (!list)
		return NO_RULE;
	first = address_row(stance, side, tier, &question->peer);
	if (behind) {
		other = address_row(stance, side, tier, behind);
		first = other < first ? other : first;
	}
	if (question->name_class) {
		other = row_of(list, question->name_class, question->peer.port);
		*named = other < first;
		first = other < first ? other : first;
	}
	return first;
}

// What a tier's first rule comes to; 0 where it leaves the decision to others.
static __always_inline judgement ruled(__u32 row, int named, __u32 drop, __u32 pass, __u32 pass_by_name)
{
	__u32 action = row & ACTION_MASK;

	if (row == NO_RULE || action == ACTION_PASS)
		return 0;
	if (action != ACTION_ACCEPT)
		return judged(drop, row >> 2);
	return judged(named ? pass_by_name : pass, row >> 2);
}

// SEMANTICS P2, P3, P6: Admin, then NetworkPolicy where the pod is isolated,
// else Baseline, else the node default. Not static: proven once.
__noinline judgement decide(const struct stance *stance, const struct question *question,
			    const struct cell *behind)
{
	judgement judgement;
	__u32 row;
	int named;

	if (!stance || !question)
		return judged(REASON_UNKNOWN, NO_RULE);
	row = first_rule(stance, TIER_ADMIN, question, behind, &named);
	judgement = ruled(row, named, DROP_ADMIN, PASS_ADMIN, PASS_ADMIN_NAME);
	if (judgement)
		return judgement;
	if (stance->isolated[(question->direction - 1) & 1]) {
		row = first_rule(stance, TIER_NETWORK_POLICY, question, behind, &named);
		judgement =
		    ruled(row, named, DROP_NETWORK_POLICY, PASS_NETWORK_POLICY, PASS_NETWORK_POLICY_NAME);
		return judgement ? judgement : judged(DROP_NETWORK_POLICY, NO_RULE);
	}
	row = first_rule(stance, TIER_BASELINE, question, behind, &named);
	judgement = ruled(row, named, DROP_BASELINE, PASS_BASELINE, PASS_BASELINE_NAME);
	if (judgement)
		return judgement;
	return judged(stance->default_allow ? PASS_DEFAULT : DROP_DEFAULT, NO_RULE);
}

// Which backend the connection gets is decided after this hook, so all of them
// must be allowed (P22).
static __always_inline judgement decide_service(const struct stance *stance, const struct flow *flow,
						const struct question *question)
{
	struct service_key key = {.address = flow->peer, .port = flow->peer_port, .protocol = flow->protocol};
	struct service *service = bpf_map_lookup_elem(&services, &key);
	judgement first = 0, judgement;

	// Another port, or nothing behind it: an address as any other.
	if (!service)
		return decide(stance, question, NULL);
	if (service->count > MAX_TARGETS)
		return judged(DROP_SERVICE, NO_RULE);
	for (__u32 i = 0; i < MAX_TARGETS; i++) {
		if (i >= service->count)
			break;
		judgement = decide(stance, question, &service->of[i]);
		if (!passes(judgement))
			return judgement | (i + 1) << 8;
		if (!i)
			first = judgement;
	}
	return first;
}

// Judges a connection in the direction it is opened. name_class is the class
// of the grant that vouches for the peer, or 0. Not static: proven once.
__noinline judgement judge(const struct stance *stance, __u32 direction, const struct flow *flow,
			   __u64 name_class)
{
	struct question question = {.direction = direction, .name_class = name_class};
	__u32 side = (direction - 1) & 1;
	struct peer peer;
	__u32 row;

	if (!stance || !flow)
		return judged(REASON_UNKNOWN, NO_RULE);
	if (stance->list[side][TIER_ADMIN] | stance->list[side][TIER_NETWORK_POLICY] |
	    stance->list[side][TIER_BASELINE])
		question.peer.port =
		    port_class(flow->protocol, direction == EGRESS ? flow->peer_port : flow->pod_port);
	// Where no rule of the Admin tier comes before it, a name that the
	// NetworkPolicy tier allows needs no look at the address.
	if (name_class && stance->isolated[side] && !stance->list[side][TIER_ADMIN]) {
		row = row_of(stance->list[side][TIER_NETWORK_POLICY], name_class, question.peer.port);
		if ((row & ACTION_MASK) == ACTION_ACCEPT)
			return judged(PASS_NETWORK_POLICY_NAME, row >> 2);
	}
	peer = peer_of(&flow->peer);
	question.peer.class = peer.class;
	// The node's own probes reach its pods whatever the policies say (P18).
	if (direction == INGRESS && peer.flags & PEER_LOCAL_NODE)
		return judged(PASS_LOCAL_NODE, NO_RULE);
	if (direction == EGRESS && peer.flags & PEER_SERVICE)
		return decide_service(stance, flow, &question);
	return decide(stance, &question, NULL);
}
