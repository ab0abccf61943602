// Connections of one pod: known, alive, re-judged, opened. RFC 5382 and 4787
// give the idle times' lower bounds; the upper ones are nf_conntrack's, so that
// nothing dies here that lives there.
#pragma once

#include <linux/in.h>

#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "parse.h"
#include "types.h"
#include "verdict.h"

// One packet on its way through a hook.
struct passage {
	struct packet packet;
	struct flow flow;
	__u32 slot; // of the pod
	__u32 direction;
	// Read before any table: a judgement under tables that change meanwhile
	// carries the older epoch, and is made again.
	__u32 epoch;
};

#define SECOND 1000000000ULL

// In seconds. KernelConnection.Lives (lives.go) reads the same rules.
static __always_inline __u32 idle_limit(const struct flow *flow, const struct connection *connection)
{
	__u8 closed = CONNECTION_FIN_OPENER | CONNECTION_FIN_OTHER;
	__u8 flags = connection->flags;

	if (flow->kind >= KIND_FRAGMENT)
		return IDLE_FRAGMENT;
	if (flow->protocol == IPPROTO_TCP) {
		if ((flags & closed) == closed || flags & CONNECTION_RESET)
			return IDLE_TCP_CLOSING;
		return flags & CONNECTION_REPLIED ? IDLE_TCP : IDLE_TCP_UNREPLIED;
	}
	if (flow->kind != KIND_TRANSPORT)
		return IDLE_ECHO;
	if (!(flags & CONNECTION_REPLIED))
		return IDLE_UNREPLIED;
	return flow->protocol == IPPROTO_SCTP ? IDLE_SCTP : IDLE_UDP;
}

// Nanoseconds of one tick, the resolution of CLOCK_MONOTONIC_COARSE. The loader
// sets it.
volatile const __u64 tick = 4000000;

// For idle times, on no other clock's scale. Jiffies cost nothing; reading even
// the coarse clock costs 16 ns, as much as parsing the packet.
static __always_inline __u64 now(void)
{
	return bpf_jiffies64() * tick;
}

static __always_inline int alive(const struct flow *flow, const struct connection *connection, __u64 time)
{
	return time - connection->last_seen < idle_limit(flow, connection) * SECOND ||
	       time < connection->last_seen;
}

static __always_inline __u32 current_epoch(void)
{
	__u32 zero = 0;
	struct world *w = bpf_map_lookup_elem(&world, &zero);

	return w ? w->epoch : 0;
}

// A packet from within a TCP connection. Of other protocols any packet may be
// the first.
static __always_inline int midstream(const struct packet *packet)
{
	return packet->protocol == IPPROTO_TCP && !(packet->tcp_flags & TCP_SYN);
}

// The class of the grant that vouches for the peer, or 0. Past its time a grant
// opens nothing; while it is held, it still speaks for connections whose own
// entry was evicted (N6, D12).
__noinline __u64 granted_class(const struct endpoint *endpoint, const union address *peer, int established)
{
	union address key;
	struct grant *grant;
	__u64 until;
	void *table;
	__u32 slot;

	if (!endpoint || !peer || !endpoint->names)
		return 0;
	slot = endpoint->slot;
	table = bpf_map_lookup_elem(&grants, &slot);
	if (!table)
		return 0;
	// The verifier of Linux 6.1 takes no argument of a function like this one
	// for a key, only what is on the stack.
	key = *peer;
	grant = bpf_map_lookup_elem(table, &key);
	if (!grant)
		return 0;
	until = grant->expires;
	if (established && grant->held > until)
		until = grant->held;
	// Both hold even when nobody is left to remove the entry (N5).
	return until > bpf_ktime_get_coarse_ns() ? grant->class : 0;
}

// The policy has changed since the last judgement (D6). The name that admitted
// the connection vouches for it beyond its lifetime, as long as a rule wants
// that name (N6, N7); where that fails, what is granted now may still do.
static __noinline judgement rejudge(const struct endpoint *endpoint, const struct flow *flow,
				    struct connection *connection, __u32 epoch)
{
	__u32 opener = connection->opener;
	judgement again = judge(&endpoint->stances[ENFORCED], opener, flow, connection->name_class);

	if (!passes(again) && opener == EGRESS) {
		__u64 class = granted_class(endpoint, &flow->peer, flow->protocol == IPPROTO_TCP);

		if (class && class != connection->name_class) {
			again = judge(&endpoint->stances[ENFORCED], opener, flow, class);
			connection->name_class = class;
		}
	}
	if (passes(again))
		connection->epoch = epoch;
	return again;
}

static __always_inline void touch(struct connection *connection, const struct packet *packet, __u32 direction,
				  __u64 time)
{
	__u8 flags = connection->flags;

	if (direction != connection->opener)
		flags |= CONNECTION_REPLIED;
	if (packet->tcp_flags & TCP_FIN)
		flags |= direction == connection->opener ? CONNECTION_FIN_OPENER : CONNECTION_FIN_OTHER;
	if (packet->tcp_flags & TCP_RST)
		flags |= CONNECTION_RESET;
	// Written only when something changed: a shared cache line otherwise
	// bounces between the CPUs of both directions at every packet.
	if (flags != connection->flags)
		connection->flags = flags;
	if (time - connection->last_seen >= SECOND)
		connection->last_seen = time;
}

// A packet that asks for a new connection is judged as one even where an entry
// exists: ports are used again, and an expired name must not open a second
// connection under the entry of the first.
static __always_inline int opens(const struct packet *packet)
{
	return (packet->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

static __noinline int open_connection(void *table, const struct flow *flow, struct connection *connection,
				      __u32 epoch)
{
	connection->last_seen = now();
	connection->epoch = epoch;
	return bpf_map_update_elem(table, flow, connection, BPF_ANY);
}
