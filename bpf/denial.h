// Counting every verdict, and telling people of denials, real ones and those of
// policies on trial.
#pragma once

#include <bpf/bpf_helpers.h>

#include "connection.h"
#include "maps.h"
#include "parse.h"
#include "types.h"
#include "verdict.h"

// Reports per pod and second. What is beyond is counted all the same; a flood
// must neither cost the node's CPU nor hide another pod's denials.
#define DENIALS_PER_SECOND 20

static __always_inline void count(struct __sk_buff *skb, __u32 stance, __u32 direction, __u32 reason)
{
	__u32 index = (stance * DIRECTIONS + direction - 1) * REASONS + reason;
	struct counter *counter = bpf_map_lookup_elem(&counters, &index);

	if (!counter)
		return;
	counter->packets++;
	counter->bytes += skb->len;
}

static __always_inline int within_budget(__u32 slot)
{
	struct budget *budget = bpf_map_lookup_elem(&budgets, &slot);
	__u64 second = now() / SECOND;

	if (!budget)
		return 0;
	// Unlocked: two CPUs may report one denial more than the budget.
	if (budget->second != second) {
		budget->second = second;
		budget->spent = 0;
	}
	if (budget->spent >= DENIALS_PER_SECOND)
		return 0;
	budget->spent++;
	return 1;
}

static __always_inline void lost(void)
{
	__u32 zero = 0;
	__u64 *n = bpf_map_lookup_elem(&denials_lost, &zero);

	if (n)
		(*n)++;
}

// The rules of the tier that decided, or 0.
static __always_inline __u64 list_of(const struct stance *stance, __u32 direction, __u32 reason)
{
	const __u64 *lists = stance->list[(direction - 1) & 1];

	if (reason == DROP_ADMIN)
		return lists[TIER_ADMIN];
	if (reason == DROP_NETWORK_POLICY)
		return lists[TIER_NETWORK_POLICY];
	return reason == DROP_BASELINE ? lists[TIER_BASELINE] : 0;
}

static __always_inline void describe(struct denial *denial, const struct passage *passage)
{
	const struct packet *packet = &passage->packet;

	denial->protocol = packet->protocol;
	if (passage->direction == EGRESS) {
		denial->pod = packet->source;
		denial->peer = packet->destination;
		denial->pod_port = packet->source_port;
		denial->peer_port = packet->destination_port;
	} else {
		denial->pod = packet->destination;
		denial->peer = packet->source;
		denial->pod_port = packet->destination_port;
		denial->peer_port = packet->source_port;
	}
}

// direction is the one in which the connection was judged.
static __noinline void report(const struct passage *passage, __u32 stance, __u32 direction,
			      judgement judgement)
{
	const struct endpoint *endpoint;
	struct denial *denial;

	if (!within_budget(passage->slot)) {
		lost();
		return;
	}
	endpoint = endpoint_of(passage->slot);
	if (!endpoint)
		return; // nobody to name; the counter says it
	denial = bpf_ringbuf_reserve(&denials, sizeof(*denial), 0);
	if (!denial) {
		lost();
		return;
	}
	__builtin_memset(denial, 0, sizeof(*denial));
	denial->time = bpf_ktime_get_coarse_ns();
	denial->endpoint = endpoint->id;
	denial->list = list_of(&endpoint->stances[stance & 1], direction, reason_of(judgement));
	denial->rule = rule_of(judgement);
	denial->direction = direction;
	denial->reason = reason_of(judgement);
	denial->target = target_of(judgement);
	denial->audit = stance == AUDITED;
	describe(denial, passage);
	bpf_ringbuf_submit(denial, 0);
}
