// From a frame to a packet that can be judged.
#pragma once

#include <linux/if_ether.h>
#include <linux/in.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "network.h"
#include "types.h"

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

// How much of a transport header must be there, as the receiver's stack would
// insist on it.
static __always_inline __u32 transport_size(__u8 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return 20;
	case IPPROTO_SCTP:
		return 12;
	case IPPROTO_UDP:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return 8;
	}
	return 0;
}

static __always_inline int is_icmp(const struct packet *packet)
{
	return packet->protocol == (packet->version == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static __always_inline int has_ports(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

// The start of a transport header: ports, or type and identifier.
struct transport {
	__be16 first;
	__be16 second;
	__u32 word1;
	__u32 word2;
	__u8 data_offset; // TCP
	__u8 flags;	  // TCP
	__u8 rest[2];
};

static __always_inline void read_transport(const struct transport *transport, struct packet *packet)
{
	if (is_icmp(packet)) {
		// Identifier of echo: bytes 4 and 5 (RFC 792, RFC 4443).
		packet->icmp_type = bpf_ntohs(transport->first) >> 8;
		packet->source_port = packet->destination_port = (__u16)transport->word1;
		return;
	}
	packet->source_port = transport->first;
	packet->destination_port = transport->second;
}

// Ports, flags and types. quoted: the packet stands in an ICMP error, of which
// eight bytes are enough (RFC 792).
static __always_inline int parse_transport(struct __sk_buff *skb, struct packet *packet, int quoted)
{
	struct transport buffer = {};
	const struct transport *transport;
	__u32 size = transport_size(packet->protocol);

	packet->source_port = packet->destination_port = 0;
	packet->tcp_flags = packet->icmp_type = 0;
	if (packet->fragment == LATER_FRAGMENT) {
		// RFC 1858: its bytes must not land on the header that was judged.
		return packet->fragment_offset < size ? DROP_FRAGMENT_OVERLAP : 0;
	}
	if (!size)
		return 0;
	if (quoted)
		size = 8;
	if (packet->transport + size > packet->end)
		return packet->fragment == WHOLE ? DROP_TRUNCATED : DROP_FRAGMENT_TINY;
	if (quoted || packet->protocol != IPPROTO_TCP) {
		transport = header(skb, packet->transport, &buffer, 8);
		if (!transport)
			return DROP_TRUNCATED;
		read_transport(transport, packet);
		return 0;
	}
	transport = header(skb, packet->transport, &buffer, sizeof(buffer));
	if (!transport)
		return DROP_TRUNCATED;
	if (transport->data_offset >> 4 < 5)
		return DROP_BAD_HEADER;
	packet->tcp_flags = transport->flags;
	read_transport(transport, packet);
	return 0;
}

// Returns 0 with *packet filled, PASS_ARP, or a reason to drop.
static __always_inline int parse(struct __sk_buff *skb, struct packet *packet)
{
	struct ethhdr buffer;
	const struct ethhdr *ethernet;
	__u8 version;
	int drop;

	// The kernel keeps the outer tag beside the frame, QinQ's inner one in it.
	if (skb->vlan_present)
		return DROP_VLAN;
	ethernet = header(skb, 0, &buffer, sizeof(buffer));
	if (!ethernet)
		return DROP_TRUNCATED;
	switch (ethernet->h_proto) {
	case bpf_htons(ETH_P_IP):
		version = 4;
		break;
	case bpf_htons(ETH_P_IPV6):
		version = 6;
		break;
	case bpf_htons(ETH_P_ARP):
		return PASS_ARP;
	case bpf_htons(ETH_P_8021Q):
	case bpf_htons(ETH_P_8021AD):
		return DROP_VLAN;
	default:
		return DROP_ETHERTYPE;
	}
	drop = parse_network(skb, sizeof(*ethernet), version, packet);
	if (drop)
		return drop;
	// The packet claims more than arrived; Linux discards it as well.
	if (packet->end > skb->len)
		return DROP_TRUNCATED;
	return parse_transport(skb, packet, 0);
}
