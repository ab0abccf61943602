// From an IP header to its transport header, of both versions into one form.
// Nothing passes by being odd: what the receiver's stack might read differently
// is a reason to drop.
#pragma once

#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "types.h"

// A legitimate chain is at most hop-by-hop, destination, routing, fragment,
// authentication, destination (RFC 8200, 4.1).
#define MAX_EXTENSION_HEADERS 6

#define IPV4_OPTION_BYTES 40
#define IPV4_OPTION_END 0
#define IPV4_OPTION_NOP 1
#define IPV4_OPTION_LSRR 131 // RFC 791
#define IPV4_OPTION_SSRR 137

enum fragment { WHOLE, FIRST_FRAGMENT, LATER_FRAGMENT };

struct packet {
	union address source;
	union address destination;
	__u32 transport;       // offset of the transport header
	__u32 end;	       // offset behind the IP packet
	__u32 identification;  // of the fragmented datagram
	__u16 fragment_offset; // in bytes
	__u16 source_port;     // network byte order
	__u16 destination_port;
	__u8 protocol;
	__u8 fragment; // enum fragment
	__u8 hop_limit;
	__u8 tcp_flags;
	__u8 icmp_type;
	__u8 version; // 4 or 6
};

// No header that is parsed starts further in than this; the verifier wants a
// bound well below 64 KiB for access in place.
#define MAX_OFFSET 1023

// The header at an offset: in place where it is linear, copied to buffer where
// it is not, NULL where the packet ends before.
static __always_inline const void *header(struct __sk_buff *skb, __u32 offset, void *buffer, __u32 size)
{
	void *data = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;

	if (offset <= MAX_OFFSET && data + offset + size <= end)
		return data + offset;
	if (bpf_skb_load_bytes(skb, offset, buffer, size))
		return NULL;
	return buffer;
}

static __always_inline void map_ipv4(union address *to, __be32 from)
{
	to->half[0] = 0;
	to->word[2] = bpf_htonl(0xffff);
	to->word[3] = from;
}

static __always_inline int mapped(const union address *address)
{
	return address->half[0] == 0 && address->word[2] == bpf_htonl(0xffff);
}

// Functions that are not static are proven once by the verifier, whatever the
// states they are called in; with the loops and forks of parsing inline, the
// programs would come near its limit of a million instructions.

// Walks IPv4 options for a source route.
__noinline int ipv4_options(struct __sk_buff *skb, __u32 offset, __u32 length)
{
	__u32 at = 0;

	for (int i = 0; i < IPV4_OPTION_BYTES && at < length; i++) {
		__u8 option[2] = {};

		if (bpf_skb_load_bytes(skb, offset + at, &option[0], 1))
			return DROP_TRUNCATED;
		if (option[0] == IPV4_OPTION_END)
			return 0;
		if (option[0] == IPV4_OPTION_NOP) {
			at++;
			continue;
		}
		if (option[0] == IPV4_OPTION_LSRR || option[0] == IPV4_OPTION_SSRR)
			return DROP_SOURCE_ROUTE;
		if (bpf_skb_load_bytes(skb, offset + at + 1, &option[1], 1))
			return DROP_TRUNCATED;
		// A length that does not advance, or runs past the header,
		// leaves the rest to interpretation.
		if (option[1] < 2 || at + option[1] > length)
			return DROP_BAD_HEADER;
		at += option[1];
	}
	return 0;
}

static __always_inline int parse_ipv4(struct __sk_buff *skb, __u32 offset, struct packet *packet)
{
	struct iphdr buffer;
	const struct iphdr *ip = header(skb, offset, &buffer, sizeof(buffer));
	__u32 header_length, length;
	__u16 fragment;

	if (!ip)
		return DROP_TRUNCATED;
	header_length = ip->ihl * 4;
	length = bpf_ntohs(ip->tot_len);
	// BIG TCP: a super-packet over 64 KiB has no length of its own
	// (kernel commit b1a78b9b9886).
	if (!length && skb->gso_size)
		length = skb->len - offset;
	if (ip->version != 4 || header_length < sizeof(*ip) || length < header_length)
		return DROP_BAD_HEADER;
	packet->version = 4;
	packet->protocol = ip->protocol;
	packet->hop_limit = ip->ttl;
	packet->transport = offset + header_length;
	packet->end = offset + length;
	packet->identification = ip->id;
	map_ipv4(&packet->source, ip->saddr);
	map_ipv4(&packet->destination, ip->daddr);
	fragment = bpf_ntohs(ip->frag_off);
	packet->fragment_offset = (fragment & 0x1fff) * 8;
	packet->fragment = packet->fragment_offset ? LATER_FRAGMENT
			   : (fragment & 0x2000)   ? FIRST_FRAGMENT
						   : WHOLE;
	if (header_length > sizeof(*ip))
		return ipv4_options(skb, offset + sizeof(*ip), header_length - sizeof(*ip));
	return 0;
}

// The first eight bytes are common to all extension headers that can be walked.
struct extension {
	__u8 next;
	__u8 length; // in units of 8 bytes less one; of 4 bytes less two in AH (RFC 4302)
	__u8 byte2;  // routing type, or high byte of the fragment offset
	__u8 byte3;  // segments left, or low byte of the offset with the M flag
	__u32 identification;
};

static __always_inline int is_extension(__u8 protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_DSTOPTS || protocol == IPPROTO_ROUTING ||
	       protocol == IPPROTO_FRAGMENT || protocol == IPPROTO_AH;
}

__noinline int ipv6_extensions(struct __sk_buff *skb, struct packet *packet)
{
	struct extension extension;

	if (!packet)
		return DROP_BAD_HEADER;
	for (int i = 0; i <= MAX_EXTENSION_HEADERS; i++) {
		__u8 protocol = packet->protocol;

		if (protocol != IPPROTO_HOPOPTS && protocol != IPPROTO_DSTOPTS &&
		    protocol != IPPROTO_ROUTING && protocol != IPPROTO_FRAGMENT && protocol != IPPROTO_AH)
			return packet->transport > packet->end ? DROP_TRUNCATED : 0;
		if (packet->fragment == LATER_FRAGMENT)
			return 0; // what follows is payload
		// A later fragment does not say how far in the transport header
		// is, and could rewrite it behind options that nobody fragments.
		if (packet->fragment == FIRST_FRAGMENT)
			return DROP_EXTENSION_HEADERS;
		// What is behind the packet's own end its receiver does not see.
		if (packet->transport + sizeof(extension) > packet->end ||
		    bpf_skb_load_bytes(skb, packet->transport, &extension, sizeof(extension)))
			return DROP_TRUNCATED;
		packet->protocol = extension.next;
		if (protocol == IPPROTO_FRAGMENT) {
			__u16 fragment = (__u16)extension.byte2 << 8 | extension.byte3;

			packet->fragment_offset = fragment & 0xfff8;
			packet->identification = extension.identification;
			packet->fragment = packet->fragment_offset ? LATER_FRAGMENT
					   : (fragment & 1)	   ? FIRST_FRAGMENT
								   : WHOLE; // atomic, RFC 6946
			packet->transport += 8;
			continue;
		}
		// With segments left the address in the header is a stop on the
		// way; another is judged than the one that is reached.
		if (protocol == IPPROTO_ROUTING && extension.byte3)
			return DROP_SOURCE_ROUTE;
		packet->transport +=
		    protocol == IPPROTO_AH ? (extension.length + 2) * 4 : (extension.length + 1) * 8;
	}
	return DROP_EXTENSION_HEADERS;
}

static __always_inline int parse_ipv6(struct __sk_buff *skb, __u32 offset, struct packet *packet)
{
	struct ipv6hdr buffer;
	const struct ipv6hdr *ip = header(skb, offset, &buffer, sizeof(buffer));
	__u32 length;

	if (!ip)
		return DROP_TRUNCATED;
	if (ip->version != 6)
		return DROP_BAD_HEADER;
	length = bpf_ntohs(ip->payload_len);
	packet->version = 6;
	packet->protocol = ip->nexthdr;
	packet->hop_limit = ip->hop_limit;
	packet->transport = offset + sizeof(*ip);
	// Without a length a jumbogram (RFC 2675), which is what BIG TCP makes;
	// else nothing is there (ip6_rcv_core in net/ipv6/ip6_input.c).
	packet->end = packet->transport + length;
	if (!length && (packet->protocol == IPPROTO_HOPOPTS || skb->gso_size))
		packet->end = skb->len;
	packet->fragment = WHOLE;
	packet->fragment_offset = 0;
	__builtin_memcpy(&packet->source, &ip->saddr, sizeof(packet->source));
	__builtin_memcpy(&packet->destination, &ip->daddr, sizeof(packet->destination));
	// The tables hold IPv4 in this form: such a packet would be judged as
	// one of the other family.
	if (mapped(&packet->source) || mapped(&packet->destination))
		return DROP_MAPPED_ADDRESS;
	if (is_extension(packet->protocol))
		return ipv6_extensions(skb, packet);
	return 0;
}

static __always_inline int parse_network(struct __sk_buff *skb, __u32 offset, __u8 version,
					 struct packet *packet)
{
	return version == 4 ? parse_ipv4(skb, offset, packet) : parse_ipv6(skb, offset, packet);
}
