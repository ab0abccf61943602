package dns

import (
	"net/netip"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/nameward/nameward/plugin/stream"
)

// Watch asks for the answers to one pod's queries.
type Watch struct {
	// Addresses are every address that the pod's queries may come from.
	Addresses []netip.Addr
	// Patterns are the names wanted, in canonical form.
	Patterns []string
	// Lockdown says what becomes of queries for other names.
	Lockdown Lockdown
	// Revision differs from the one before where answers are taken otherwise
	// than before, though the names wanted are the same. CoreDNS is then told
	// as of a new watch: it forgets until when it need not ask again, and
	// replays what the pod has been answered lately (N12).
	Revision uint64
}

// Lockdown is what CoreDNS does with a pod's queries for names that none of its
// patterns matches (SEMANTICS N9).
type Lockdown uint8

const (
	// LockdownOff answers them.
	LockdownOff Lockdown = iota
	// LockdownAudit answers them, and counts what LockdownOn would refuse.
	LockdownAudit
	// LockdownOn refuses them.
	LockdownOn
)

// wire takes what it does not know for the strictest.
func (l Lockdown) wire() stream.Watch_Lockdown {
	switch l {
	case LockdownOff:
		return stream.Watch_OFF
	case LockdownAudit:
		return stream.Watch_AUDIT
	default:
		return stream.Watch_ON
	}
}

// interest is an immutable set of watches by their addresses.
type interest struct {
	watches   map[string]*stream.Watch
	revisions map[string]uint64
	addresses map[netip.Addr]struct{}
}

// newInterest copies watches, so that the caller keeps what it passed. A watch
// without addresses, or without patterns and lockdown, asks for nothing and is
// left out. One that is over a limit of the stream is refused, alone: sent, it
// would cost every pod of the node the session. Its lockdown stays where it can:
// without patterns, it is of every name.
func newInterest(watches []Watch) (in *interest, refused []Watch) {
	in = &interest{
		watches:   make(map[string]*stream.Watch, len(watches)),
		revisions: make(map[string]uint64, len(watches)),
		addresses: make(map[netip.Addr]struct{}, len(watches)),
	}
	room := allowance{shared: make(map[string]bool)}
	for _, w := range watches {
		if len(w.Addresses) == 0 || len(w.Patterns) == 0 && w.Lockdown == LockdownOff {
			continue
		}
		key, addrs, wire := w.wire()
		full := len(in.addresses)+len(addrs) > stream.MaxWatched
		if full || len(w.Patterns) > stream.MaxPatterns || proto.Size(wire) > chunkBytes || !room.take(wire.Patterns) {
			refused = append(refused, w)
			wire.Patterns = nil
			if full || w.Lockdown == LockdownOff {
				continue
			}
		}
		for _, a := range addrs {
			in.addresses[a] = struct{}{}
		}
		in.watches[key], in.revisions[key] = wire, w.Revision
	}
	return in, refused
}

// allowance counts what the patterns of a session come to. Pods with the same
// patterns share them, as they do in CoreDNS.
type allowance struct {
	count, bytes int
	shared       map[string]bool
}

// take reports whether there was room.
func (r *allowance) take(sorted []string) bool {
	all := strings.Join(sorted, " ")
	if r.shared[all] {
		return true
	}
	count, bytes := r.count+len(sorted), r.bytes+len(all)
	if count > stream.MaxSessionPatterns || bytes > stream.MaxSessionPatternBytes {
		return false
	}
	r.shared[all], r.count, r.bytes = true, count, bytes
	return true
}

// wire renders w, its addresses and a key that is the same for the same set
// of addresses.
func (w Watch) wire() (key string, addrs []netip.Addr, wire *stream.Watch) {
	wire = &stream.Watch{Patterns: slices.Sorted(slices.Values(w.Patterns)), Lockdown: w.Lockdown.wire()}
	for _, a := range w.Addresses {
		addrs = append(addrs, a.Unmap().WithZone(""))
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	addrs = slices.Compact(addrs)
	for _, a := range addrs {
		wire.Addresses = append(wire.Addresses, a.AsSlice())
		key += string(a.AsSlice()) + "/"
	}
	return key, addrs, wire
}

// full renders the whole interest for a session that knows nothing.
func (in *interest) full() []*stream.Subscription {
	chunks := chunked(nil, in.sorted(nil))
	chunks[0].Reset_ = true
	return chunks
}

// since renders what changed from an older interest, in no message where
// nothing did. An address that moved from one pod to another is no removal:
// the new watch replaces the old one.
func (in *interest) since(old *interest) []*stream.Subscription {
	var gone []netip.Addr
	for a := range old.addresses {
		if _, kept := in.addresses[a]; !kept {
			gone = append(gone, a)
		}
	}
	slices.SortFunc(gone, netip.Addr.Compare)
	removed := make([][]byte, len(gone))
	for i, a := range gone {
		removed[i] = a.AsSlice()
	}
	changed := in.sorted(func(key string, w *stream.Watch) bool {
		had, known := old.watches[key]
		return !known || had.Lockdown != w.Lockdown || in.revisions[key] != old.revisions[key] || !slices.Equal(had.Patterns, w.Patterns)
	})
	if len(removed) == 0 && len(changed) == 0 {
		return nil
	}
	return chunked(removed, changed)
}

// sorted lists the watches that keep accepts, all where it is nil, in a
// stable order.
func (in *interest) sorted(keep func(string, *stream.Watch) bool) []*stream.Watch {
	keys := make([]string, 0, len(in.watches))
	for key, w := range in.watches {
		if keep == nil || keep(key, w) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, strings.Compare)
	watches := make([]*stream.Watch, len(keys))
	for i, key := range keys {
		watches[i] = in.watches[key]
	}
	return watches
}
