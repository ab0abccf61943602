// The tables. State that outlives a program version (connections, grants,
// counters, denials) apart from the policy, which every version is given anew.
#pragma once

#include <bpf/bpf_helpers.h>

#include "types.h"

// Ports of the three protocols that have policy ports, each 65536 entries.
#define PORTED_PROTOCOLS 3
#define PORT_ENTRIES (PORTED_PROTOCOLS * 65536)

// Sizes are set by the loader where they depend on the cluster.
#define ENDPOINT_SLOTS 1024

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ENDPOINT_SLOTS);
	__type(key, __u32); // slot
	__type(value, struct views);
} endpoints SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ENDPOINT_SLOTS);
	__type(key, __u32);   // ifindex
	__type(value, __u32); // slot
} slots SEC(".maps");

// Spares the hash look-up of `slots`, which is a third of what an established
// packet costs.
#define PLACES 65536

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PLACES);
	__type(key, __u32); // ifindex modulo PLACES
	__type(value, struct place);
} places SEC(".maps");

// Preallocated: in the field, allocation at update time fails under memory
// pressure with ENOMEM.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, union address);
	__type(value, struct peer);
} addresses SEC(".maps");

// A bit for each exact address, by hash: most of the world is in no bit, and
// spared the look-up. A bit is set before its address is entered, and may stay
// set after.
#define TRACE_BITS (1 << 20)

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TRACE_BITS / 64);
	__type(key, __u32);
	__type(value, __u64);
} traces SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct prefix_key);
	__type(value, __u64); // class
} prefixes SEC(".maps");

// Written through a memory mapping: a wide range is one pass over memory
// instead of 65536 system calls, and each entry still changes at once.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PORT_ENTRIES);
	__type(key, __u32);
	__type(value, __u64); // class
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct row_key);
	__type(value, __u32); // precedence
} rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct service_key);
	__type(value, struct service);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct world);
} world SEC(".maps");

// Sizes instead of types in the inner tables: clang leaves the types of an
// inner map undefined in BTF.
//
// One table of connections and one of grants for each pod: whatever a pod does,
// it can evict only its own, and nothing is left to a successor.
struct connections {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__uint(key_size, sizeof(struct flow));
	__uint(value_size, sizeof(struct connection));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ENDPOINT_SLOTS);
	__type(key, __u32);
	__array(values, struct connections);
} connections SEC(".maps");

struct grants {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 10240);
	__uint(key_size, sizeof(union address));
	__uint(value_size, sizeof(struct grant));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ENDPOINT_SLOTS);
	__type(key, __u32);
	__array(values, struct grants);
} grants SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, STANCES *DIRECTIONS *REASONS);
	__type(key, __u32);
	__type(value, struct counter);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ENDPOINT_SLOTS);
	__type(key, __u32);
	__type(value, struct budget);
} budgets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} denials SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} denials_lost SEC(".maps");

static __always_inline const struct endpoint *endpoint_of(__u32 slot)
{
	struct views *views = bpf_map_lookup_elem(&endpoints, &slot);
	const struct endpoint *endpoint;

	if (!views)
		return NULL;
	endpoint = views->active & 1 ? &views->view[1] : &views->view[0];
	return endpoint->id ? endpoint : NULL;
}

// Returns 0 where the interface is no pod's.
static __always_inline int slot_of(__u32 ifindex, __u32 *slot)
{
	__u32 key = ifindex % PLACES;
	struct place *place = bpf_map_lookup_elem(&places, &key);
	__u32 *found;

	if (place && place->ifindex == ifindex) {
		*slot = place->slot;
		return 1;
	}
	found = bpf_map_lookup_elem(&slots, &ifindex);
	if (!found)
		return 0;
	*slot = *found;
	return 1;
}
