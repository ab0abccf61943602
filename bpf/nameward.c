//go:build ignore

// The two hooks of a policed pod.

#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#include "connection.h"
#include "denial.h"
#include "maps.h"
#include "parse.h"
#include "special.h"
#include "types.h"
#include "verdict.h"

// TCX_NEXT and TCX_DROP have these values too (linux/bpf.h, since 6.6): one
// program serves both kinds of hook, and a pass leaves the packet to whoever
// comes next on it.
#define NEXT TC_ACT_UNSPEC
#define DROP TC_ACT_SHOT

// A connection that is allowed and would not be, if what is on trial were in
// force, is counted and reported each time it is judged (P23).
static __noinline void audit(struct __sk_buff *skb, const struct endpoint *endpoint,
			     const struct passage *passage, const struct connection *connection)
{
	__u32 direction = connection->opener;
	judgement would =
	    judge(&endpoint->stances[AUDITED], direction, &passage->flow, connection->name_class);

	if (passes(would))
		return;
	count(skb, AUDITED, direction, reason_of(would));
	report(passage, AUDITED, direction, would);
}

// The judgement of a packet that belongs to a known connection, or 0.
static __always_inline judgement known(struct __sk_buff *skb, const struct endpoint *endpoint, void *table,
				       const struct passage *passage)
{
	struct connection *connection;
	judgement again;
	__u64 time;

	if (opens(&passage->packet))
		return 0;
	connection = bpf_map_lookup_elem(table, &passage->flow);
	if (!connection)
		return 0;
	time = now();
	if (!alive(&passage->flow, connection, time))
		return 0;
	if (connection->epoch != passage->epoch) {
		again = rejudge(endpoint, &passage->flow, connection, passage->epoch);
		if (!passes(again)) {
			// What is no longer allowed is cut; left in place, the
			// entry would be judged at every packet.
			bpf_map_delete_elem(table, &passage->flow);
			return again;
		}
		if (endpoint->audited)
			audit(skb, endpoint, passage, connection);
	}
	touch(connection, &passage->packet, passage->direction, time);
	return judged(passage->direction == connection->opener ? PASS_ESTABLISHED : PASS_REPLY, NO_RULE);
}

// The judgement of a packet that comes back on a connection which the pod opened
// by name and whose entry was evicted, or 0. It makes no entry: the pod's next
// packet does, and who is outside can fill no table.
static __always_inline judgement answer(const struct endpoint *endpoint, const struct passage *passage)
{
	const struct flow *flow = &passage->flow;
	__u64 class;

	if (passage->direction != INGRESS || !midstream(&passage->packet))
		return 0;
	class = granted_class(endpoint, &flow->peer, 1);
	if (!class || !passes(judge(&endpoint->stances[ENFORCED], EGRESS, flow, class)))
		return 0;
	return judged(PASS_REPLY, NO_RULE);
}

// The judgement of a packet that may open a connection.
static __always_inline judgement admit(struct __sk_buff *skb, const struct endpoint *endpoint, void *table,
				       const struct passage *passage)
{
	struct connection connection = {.opener = passage->direction};
	const struct flow *flow = &passage->flow;
	judgement first;

	if (passage->direction == EGRESS)
		connection.name_class = granted_class(endpoint, &flow->peer, midstream(&passage->packet));
	first = judge(&endpoint->stances[ENFORCED], passage->direction, flow, connection.name_class);
	if (!passes(first))
		return first;
	if (endpoint->audited)
		audit(skb, endpoint, passage, &connection);
	// No state for what has no ports to tell connections apart by, and none
	// for a reset, which ends one.
	if ((!has_ports(flow->protocol) && flow->kind == KIND_TRANSPORT) ||
	    passage->packet.tcp_flags & TCP_RST)
		return first;
	// The replies would be dropped without the entry: better to drop, count
	// and let the sender try again (D10: EBUSY and ENOMEM happen).
	if (open_connection(table, flow, &connection, passage->epoch))
		return judged(DROP_NO_STATE, NO_RULE);
	return first;
}

// Is the datagram whose first fragment was let through still allowed? Its
// connection says so where there is one; what has no ports has none.
static __always_inline judgement datagram(const struct endpoint *endpoint, void *table,
					  struct passage *passage)
{
	__u32 direction = passage->direction;
	struct connection *connection = bpf_map_lookup_elem(table, &passage->flow);
	__u64 class = 0;

	if (connection && connection->epoch == passage->epoch)
		return judged(PASS_FRAGMENT, NO_RULE);
	if (connection)
		return rejudge(endpoint, &passage->flow, connection, passage->epoch);
	if (direction == EGRESS)
		class = granted_class(endpoint, &passage->flow.peer, 0);
	return judge(&endpoint->stances[ENFORCED], direction, &passage->flow, class);
}

// Later fragments follow the verdict of the first, and what has become of it
// since (D6).
static __always_inline judgement later_fragment(const struct endpoint *endpoint, void *table,
						struct passage *passage)
{
	struct connection *first;
	judgement again;

	fragment_flow(&passage->packet, passage->direction, &passage->flow);
	first = bpf_map_lookup_elem(table, &passage->flow);
	if (!first || !alive(&passage->flow, first, now()))
		return judged(DROP_FRAGMENT_UNKNOWN, NO_RULE);
	if (first->epoch != passage->epoch) {
		unpack_flow(first->name_class, &passage->flow);
		again = datagram(endpoint, table, passage);
		if (!passes(again))
			return again;
		first->epoch = passage->epoch;
	}
	return judged(PASS_FRAGMENT, NO_RULE);
}

static __always_inline int remember_fragment(const struct passage *passage, void *table)
{
	struct connection first = {.opener = passage->direction, .name_class = packed_flow(&passage->flow)};
	struct flow flow;

	fragment_flow(&passage->packet, passage->direction, &flow);
	return open_connection(table, &flow, &first, passage->epoch);
}

static __always_inline judgement judge_transport(struct __sk_buff *skb, const struct endpoint *endpoint,
						 void *table, struct passage *passage)
{
	const struct packet *packet = &passage->packet;
	judgement judgement;

	flow_of(packet, passage->direction, &passage->flow);
	judgement = known(skb, endpoint, table, passage);
	if (judgement)
		return judgement;
	if (passage->direction == EGRESS && is_self(endpoint, packet))
		return judged(PASS_SELF, NO_RULE);
	if (is_icmp_error(packet) &&
	    related(skb, endpoint, table, packet, passage->direction, passage->epoch))
		return judged(PASS_RELATED, NO_RULE);
	judgement = answer(endpoint, passage);
	if (judgement)
		return judgement;
	return admit(skb, endpoint, table, passage);
}

static __always_inline judgement judge_packet(struct __sk_buff *skb, struct passage *passage)
{
	const struct endpoint *endpoint = endpoint_of(passage->slot);
	struct packet *packet = &passage->packet;
	__u32 slot = passage->slot;
	judgement judgement;
	__u32 reason;
	void *table;

	if (!endpoint)
		return judged(DROP_NO_ENDPOINT, NO_RULE);
	reason = parse(skb, packet);
	if (!reason)
		reason = neighbour(packet, passage->direction);
	if (reason)
		return judged(reason, NO_RULE);
	if (endpoint->unknown)
		return judge_unknown(&endpoint->stances[ENFORCED], packet, passage->direction);
	table = bpf_map_lookup_elem(&connections, &slot);
	if (!table)
		return judged(DROP_NO_STATE, NO_RULE);
	if (packet->fragment == LATER_FRAGMENT)
		return later_fragment(endpoint, table, passage);
	judgement = judge_transport(skb, endpoint, table, passage);
	if (packet->fragment == FIRST_FRAGMENT && passes(judgement) && remember_fragment(passage, table))
		return judged(DROP_NO_STATE, NO_RULE);
	return judgement;
}

static __always_inline int police(struct __sk_buff *skb, __u32 direction)
{
	struct passage passage = {.direction = direction, .epoch = current_epoch()};
	judgement judgement;

	if (!slot_of(skb->ifindex, &passage.slot)) {
		count(skb, ENFORCED, direction, DROP_NO_ENDPOINT);
		return DROP;
	}
	judgement = judge_packet(skb, &passage);
	count(skb, ENFORCED, direction, reason_of(judgement));
	if (passes(judgement))
		return NEXT;
	report(&passage, ENFORCED, direction, judgement);
	return DROP;
}

SEC("tc")
int into_pod(struct __sk_buff *skb)
{
	return police(skb, INGRESS);
}

SEC("tc")
int out_of_pod(struct __sk_buff *skb)
{
	return police(skb, EGRESS);
}

// Tells in the packet what the time is by which connections age.
SEC("tc")
int tell_time(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data;

	if (data + sizeof(__u64) > (void *)(long)skb->data_end)
		return DROP;
	*(__u64 *)data = now();
	return NEXT;
}

// The cost of a test run and a hook without any work: what the figures are
// compared with.
SEC("tc")
int nothing(struct __sk_buff *skb)
{
	return NEXT;
}

// GPL for bpf_ktime_get_coarse_ns and the ring buffer; the rest of the project
// is Apache-2.0.
char _license[] SEC("license") = "Dual MIT/GPL";
