package report

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// entry is what is remembered of a policy's current generation.
type entry struct {
	generation int64
	// since is the lowest resourceVersion known to have this generation: that
	// of the object when it was first seen here, or lower where another node
	// is known to have the generation at a lower one.
	since version
	// mark stands for UID and generation in a digest.
	mark uint64
}

// ledger is a State with what earlier ones say about it. It is immutable.
type ledger struct {
	state   State
	applied map[Kind]version
	entries []entry // beside state.Policies
	places  map[types.UID]int
	// sets are digests of all policies of a kind: equal where the same
	// generations of the same objects are meant.
	sets map[Kind]uint64
}

// newLedger continues last, which may be nil.
func newLedger(last *ledger, s State) *ledger {
	l := &ledger{state: s, applied: make(map[Kind]version, len(s.Applied))}
	for k, v := range s.Applied {
		l.applied[k] = parseVersion(v)
	}
	if last != nil && samePolicies(last.state.Policies, s.Policies) {
		l.entries, l.places, l.sets = last.entries, last.places, last.sets
		return l
	}
	l.entries = make([]entry, len(s.Policies))
	l.places = make(map[types.UID]int, len(s.Policies))
	l.sets = make(map[Kind]uint64, len(Kinds))
	for i := range s.Policies {
		p := &s.Policies[i]
		e, known := last.entry(p.UID)
		if !known || e.generation != p.Generation {
			e = entry{p.Generation, parseVersion(p.ResourceVersion), markOf(p)}
		}
		l.entries[i] = e
		l.places[p.UID] = i
		l.sets[KindOf(p.Ref)] += e.mark
	}
	return l
}

func samePolicies(a, b []Policy) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

func (l *ledger) entry(uid types.UID) (entry, bool) {
	if l == nil {
		return entry{}, false
	}
	i, ok := l.places[uid]
	if !ok {
		return entry{}, false
	}
	return l.entries[i], true
}

func markOf(p *Policy) uint64 {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(p.UID), uint64(p.Generation)))
	return binary.BigEndian.Uint64(sum[:])
}

// inForce is what this node's kernel has of each kind. The digest is that of
// the policies whose current generation is among it.
func (l *ledger) inForce() map[Kind]inForce {
	force := make(map[Kind]inForce, len(l.applied))
	for k, v := range l.applied {
		force[k] = inForce{Version: v}
	}
	for i := range l.entries {
		k := KindOf(l.state.Policies[i].Ref)
		if f := force[k]; f.Version.covers(l.entries[i].since) {
			f.Set += mark(l.entries[i].mark)
			force[k] = f
		}
	}
	return force
}

// lowered is l with what a node's report proves: whoever has the same set in
// force at a version has each of its generations at that version, so none of
// them is newer. An enforcer that was just started sees its objects at versions
// that only status writes have brought, and would take older reports for too old.
func (l *ledger) lowered(proof map[Kind]inForce) *ledger {
	var entries []entry
	for i := range l.entries {
		k := KindOf(l.state.Policies[i].Ref)
		f := proof[k]
		if f.Version == "" || uint64(f.Set) != l.sets[k] || l.entries[i].since == f.Version || !l.entries[i].since.covers(f.Version) {
			continue
		}
		if entries == nil {
			entries = append(entries, l.entries...)
		}
		entries[i].since = f.Version
	}
	if entries == nil {
		return l
	}
	next := *l
	next.entries = entries
	return &next
}

// book holds the newest ledger. It is safe for concurrent use, and nobody holds
// its lock for longer than a pass over the policies.
type book struct {
	mu     sync.Mutex
	ledger *ledger // nil before the first State
}

func (b *book) set(s State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ledger = newLedger(b.ledger, s)
}

func (b *book) lower(proof map[Kind]inForce) *ledger {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ledger != nil {
		b.ledger = b.ledger.lowered(proof)
	}
	return b.ledger
}

func (b *book) newest() *ledger {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ledger
}
