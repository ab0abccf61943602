// Package atlas keeps what is known of very many keys, such as the addresses of
// a cluster, in immutable sorted maps. A map and the one made from it share
// all but what has changed, so that holding both costs next to nothing and
// finding where they differ costs by what differs. It knows nothing of what it
// keeps.
package atlas

import (
	"iter"
	"slices"
)

// Key is what maps are sorted by.
type Key[K any] interface {
	comparable
	Compare(K) int
}

// Map is immutable, and the zero Map is empty. A copy is the same map.
type Map[K Key[K], V any] struct {
	// pages are sorted and not empty; nobody writes to one that is in a Map.
	pages []page[K, V]
	size  int
}

type page[K Key[K], V any] []entry[K, V]

type entry[K Key[K], V any] struct {
	key   K
	value V
}

// A page holds up to pageSize entries when it is made, and twice as many before
// it is split: a change copies a page and the list of them, which for a hundred
// thousand entries are of like size. Those that have lost most of theirs are
// joined.
const (
	pageSize  = 256
	pageLeast = pageSize / 4
)

// Len is the number of keys.
func (m Map[K, V]) Len() int { return m.size }

// Get gives what is known of k.
func (m Map[K, V]) Get(k K) (value V, known bool) {
	if p, at, found := m.find(k); found {
		return m.pages[p][at].value, true
	}
	return value, false
}

// All goes through the map in the order of its keys.
func (m Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, p := range m.pages {
			for i := range p {
				if !yield(p[i].key, p[i].value) {
					return
				}
			}
		}
	}
}

// With gives the map in which v is known of k.
func (m Map[K, V]) With(k K, v V) Map[K, V] {
	if len(m.pages) == 0 {
		return Map[K, V]{pages: []page[K, V]{{{k, v}}}, size: 1}
	}
	p, at, found := m.find(k)
	if found {
		fresh := slices.Clone(m.pages[p])
		fresh[at].value = v
		return m.turn(p, p+1, fresh)
	}
	m.size++
	fresh := make(page[K, V], 0, len(m.pages[p])+1)
	fresh = append(append(append(fresh, m.pages[p][:at]...), entry[K, V]{k, v}), m.pages[p][at:]...)
	if len(fresh) > 2*pageSize {
		return m.turn(p, p+1, slices.Clone(fresh[:pageSize]), slices.Clone(fresh[pageSize:]))
	}
	return m.turn(p, p+1, fresh)
}

// Without gives the map in which nothing is known of k.
func (m Map[K, V]) Without(k K) Map[K, V] {
	p, at, found := m.find(k)
	if !found {
		return m
	}
	m.size--
	rest := slices.Concat(m.pages[p][:at], m.pages[p][at+1:])
	switch {
	case len(rest) == 0:
		return m.turn(p, p+1)
	case len(rest) < pageLeast && p+1 < len(m.pages) && len(m.pages[p+1]) <= pageSize:
		return m.turn(p, p+2, slices.Concat(rest, m.pages[p+1]))
	}
	return m.turn(p, p+1, rest)
}

// turn puts others in the place of the pages from first to before end.
func (m Map[K, V]) turn(first, end int, others ...page[K, V]) Map[K, V] {
	m.pages = slices.Concat(m.pages[:first], others, m.pages[end:])
	return m
}

// find says where k is, or belongs.
func (m Map[K, V]) find(k K) (p, at int, found bool) {
	if len(m.pages) == 0 {
		return 0, 0, false
	}
	p, found = slices.BinarySearchFunc(m.pages, k, func(p page[K, V], k K) int { return p[0].key.Compare(k) })
	if !found {
		p = max(p-1, 0)
	}
	at, found = slices.BinarySearchFunc(m.pages[p], k, func(e entry[K, V], k K) int { return e.key.Compare(k) })
	return p, at, found
}

// Builder makes a Map of keys that come in ascending order, each once.
type Builder[K Key[K], V any] struct {
	m    Map[K, V]
	last page[K, V]
}

// Add takes the next key.
func (b *Builder[K, V]) Add(k K, v V) {
	if len(b.last) == pageSize {
		b.m.pages, b.last = append(b.m.pages, b.last), nil
	}
	if b.last == nil {
		b.last = make(page[K, V], 0, pageSize)
	}
	b.last = append(b.last, entry[K, V]{k, v})
	b.m.size++
}

// Map gives the map of all that was added, and ends the building.
func (b *Builder[K, V]) Map() Map[K, V] {
	m := b.m
	if len(b.last) > 0 {
		m.pages = append(m.pages, slices.Clone(b.last))
	}
	m.pages = slices.Clip(m.pages)
	*b = Builder[K, V]{}
	return m
}
