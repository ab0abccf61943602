// Packets that are neither a connection nor a policy's business, and ICMP
// errors, which belong to the connection that they quote.
#pragma once

#include <bpf/bpf_helpers.h>

#include "connection.h"
#include "parse.h"
#include "types.h"
#include "verdict.h"

#define ND_ROUTER_SOLICITATION 133 // RFC 4861
#define ND_ROUTER_ADVERTISEMENT 134
#define ND_NEIGHBOUR_SOLICITATION 135
#define ND_NEIGHBOUR_ADVERTISEMENT 136
#define ND_REDIRECT 137
#define MLD_QUERY 130 // RFC 2710, RFC 3810
#define MLD_REPORT 131
#define MLD_DONE 132
#define MLD2_REPORT 143

#define ND_HOP_LIMIT 255
#define MLD_HOP_LIMIT 1

// A solicitation or advertisement: 24 bytes, a link-layer address and a nonce
// (RFC 4861, RFC 3971). Extension headers count: they carry data as well.
#define ND_NEIGHBOUR_BYTES 40

static __always_inline int on_link(const union address *address)
{
	return (address->byte[0] == 0xfe && (address->byte[1] & 0xc0) == 0x80) || // fe80::/10
	       (address->byte[0] == 0xff && (address->byte[1] & 0x0f) <= 2);	  // ff02::/16 and narrower
}

// What goes to an address of the link alone, and proves by its hop limit that
// it was not forwarded. Neighbours also ask each other at global addresses
// (unreachability detection); whoever forwards such a packet off the link must
// not carry more than its own fields.
static __always_inline int stays(const struct packet *packet, int neighbours, __u8 hop_limit)
{
	if (packet->hop_limit != hop_limit)
		return 0;
	if (on_link(&packet->destination))
		return 1;
	return neighbours && packet->destination.byte[0] != 0xff &&
	       packet->end - sizeof(struct ethhdr) - sizeof(struct ipv6hdr) <= ND_NEIGHBOUR_BYTES;
}

// Neighbour discovery and multicast listeners (D4); pods play the host's part
// only. Returns 0 where the packet is neither.
static __always_inline int neighbour(const struct packet *packet, __u32 direction)
{
	__u8 hop_limit = ND_HOP_LIMIT;
	int neighbours = 0;

	if (packet->version != 6 || packet->protocol != IPPROTO_ICMPV6 || packet->fragment != WHOLE)
		return 0;
	switch (packet->icmp_type) {
	case ND_ROUTER_ADVERTISEMENT:
	case ND_REDIRECT:
		if (direction != INGRESS)
			return DROP_NEIGHBOUR;
		break;
	case ND_ROUTER_SOLICITATION:
		break;
	case ND_NEIGHBOUR_SOLICITATION:
	case ND_NEIGHBOUR_ADVERTISEMENT:
		neighbours = 1;
		break;
	case MLD_QUERY:
		if (direction != INGRESS)
			return DROP_NEIGHBOUR;
		hop_limit = MLD_HOP_LIMIT;
		break;
	case MLD_REPORT:
	case MLD_DONE:
	case MLD2_REPORT:
		hop_limit = MLD_HOP_LIMIT;
		break;
	default:
		return 0;
	}
	// Into the pod a router may answer at the pod's global address.
	if (direction == INGRESS && packet->hop_limit == hop_limit)
		return PASS_NEIGHBOUR;
	return stays(packet, neighbours, hop_limit) ? PASS_NEIGHBOUR : DROP_NEIGHBOUR;
}

#define ICMP_ECHO_REQUEST_V4 8
#define ICMP_ECHO_REPLY_V4 0
#define ICMP_ECHO_REQUEST_V6 128
#define ICMP_ECHO_REPLY_V6 129

static __always_inline int is_echo_request(const struct packet *packet)
{
	return packet->icmp_type == (packet->version == 4 ? ICMP_ECHO_REQUEST_V4 : ICMP_ECHO_REQUEST_V6);
}

static __always_inline int is_echo_reply(const struct packet *packet)
{
	return packet->icmp_type == (packet->version == 4 ? ICMP_ECHO_REPLY_V4 : ICMP_ECHO_REPLY_V6);
}

static __always_inline int is_icmp_error(const struct packet *packet)
{
	__u8 type = packet->icmp_type;

	if (!is_icmp(packet) || packet->fragment != WHOLE)
		return 0;
	if (packet->version == 4)
		return type == 3 || type == 4 || type == 11 || type == 12; // RFC 792
	return type >= 1 && type <= 4;					   // RFC 4443
}

// The pod's side of a packet. An echo's two directions share the key of its
// request; an echo reply is looked up under the request of the other side.
static __always_inline void flow_of(const struct packet *packet, __u32 direction, struct flow *flow)
{
	__builtin_memset(flow, 0, sizeof(*flow));
	flow->protocol = packet->protocol;
	if (direction == EGRESS) {
		flow->peer = packet->destination;
		flow->peer_port = packet->destination_port;
		flow->pod_port = packet->source_port;
	} else {
		flow->peer = packet->source;
		flow->peer_port = packet->source_port;
		flow->pod_port = packet->destination_port;
	}
	if (!is_icmp(packet))
		return;
	if (is_echo_request(packet))
		flow->kind = direction;
	else if (is_echo_reply(packet))
		flow->kind = INGRESS + EGRESS - direction;
}

static __always_inline void fragment_flow(const struct packet *packet, __u32 direction, struct flow *flow)
{
	__builtin_memset(flow, 0, sizeof(*flow));
	flow->peer = direction == EGRESS ? packet->destination : packet->source;
	flow->peer_port = packet->identification >> 16;
	flow->pod_port = packet->identification & 0xffff;
	flow->protocol = packet->protocol;
	flow->kind = KIND_FRAGMENT + direction;
}

// What a datagram's flow has besides the fragment's peer and protocol.
static __always_inline __u64 packed_flow(const struct flow *flow)
{
	return (__u64)flow->kind << 32 | (__u32)flow->peer_port << 16 | flow->pod_port;
}

static __always_inline void unpack_flow(__u64 packed, struct flow *flow)
{
	flow->kind = packed >> 32;
	flow->peer_port = packed >> 16;
	flow->pod_port = packed;
}

static __always_inline int same(const union address *a, const union address *b)
{
	return a->half[0] == b->half[0] && a->half[1] == b->half[1];
}

// P19. That both fields hold one address proves nothing: a pod may forge them, and
// so may whoever sends to it, which is why nobody asks on the way in. What a pod
// sends to itself never comes out.
static __always_inline int is_self(const struct endpoint *endpoint, const struct packet *packet)
{
	union address none = {};

	if (!same(&packet->source, &packet->destination) || same(&packet->source, &none))
		return 0;
	return same(&packet->source, &endpoint->own[0]) || same(&packet->source, &endpoint->own[1]);
}

// What opens nothing: there is no table to tell whether it was asked for.
static __always_inline int is_answer(const struct packet *packet)
{
	if (packet->fragment != WHOLE)
		return 0;
	if (packet->protocol == IPPROTO_TCP)
		return (packet->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN;
	return is_icmp(packet) && is_echo_reply(packet);
}

// Whom nobody knows yet has the node's start posture (D9). Nothing is remembered:
// interfaces of several pods lead here, and none may help another (D5). The node
// itself reaches it, and is answered (P18).
static __noinline judgement judge_unknown(const struct stance *stance, const struct packet *packet,
					  __u32 direction)
{
	union address address = direction == INGRESS ? packet->source : packet->destination;
	struct peer peer;

	if (stance->default_allow)
		return judged(PASS_DEFAULT, NO_RULE);
	peer = peer_of(&address);
	if (peer.flags & PEER_LOCAL_NODE && (direction == INGRESS || is_answer(packet)))
		return judged(PASS_LOCAL_NODE, NO_RULE);
	return judged(DROP_UNKNOWN_POD, NO_RULE);
}

// What an error quotes at least behind the IP header (RFC 792).
#define QUOTED_BYTES 8

// The pod's side of the packet that an error quotes; 0 where it quotes none. An
// error goes to the source of the packet it quotes (RFC 1122, 3.2.2): a pod must
// not send what it likes to anybody by quoting a connection with somebody else,
// nor be sent another pod's. Not static: proven once.
__noinline int quoted_flow(struct __sk_buff *skb, const struct packet *error, __u32 direction,
			   struct flow *flow)
{
	struct packet quoted = {};

	if (!error || !flow)
		return 0;
	if (parse_network(skb, error->transport + 8, error->version, &quoted) ||
	    parse_transport(skb, &quoted, 1))
		return 0;
	if (quoted.fragment == LATER_FRAGMENT || is_icmp_error(&quoted))
		return 0;
	if (!same(&quoted.source, &error->destination))
		return 0;
	// The pod is no router: what it sends an error about was sent to it. The
	// table does not tell, another pod may have a connection like this one.
	if (direction == EGRESS && !same(&quoted.destination, &error->source))
		return 0;
	// Behind the error's own end its receiver reads nothing.
	if (quoted.transport + QUOTED_BYTES > error->end)
		return 0;
	flow_of(&quoted, INGRESS + EGRESS - direction, flow);
	return 1;
}

// Does the error quote a connection of this pod that is still allowed?
static __always_inline int related(struct __sk_buff *skb, const struct endpoint *endpoint, void *table,
				   const struct packet *error, __u32 direction, __u32 epoch)
{
	struct connection *connection;
	struct flow quoted;

	__builtin_memset(&quoted, 0, sizeof(quoted));
	if (!quoted_flow(skb, error, direction, &quoted))
		return 0;
	connection = bpf_map_lookup_elem(table, &quoted);
	if (!connection || !alive(&quoted, connection, now()))
		return 0;
	return connection->epoch == epoch || passes(rejudge(endpoint, &quoted, connection, epoch));
}
