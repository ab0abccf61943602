package datapath

import (
	"errors"
	"iter"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/nameward/nameward/enforcer/policy/atlas"
)

// shadow is a kernel hash that follows a large map of Tables. What is known to
// be in it is that map itself and no copy, so a change costs by what differs.
type shadow[K atlas.Key[K], V comparable] struct {
	name   string
	kernel *ebpf.Map
	key    func(K) any
	value  func(V) any
	cfg    *Config
	have   atlas.Map[K, V]
	// tried are maps that may be there in part, since a write failed: the kernel
	// has of each key what have has or what one of these has.
	tried []atlas.Map[K, V]
}

func newShadow[K atlas.Key[K], V comparable](cfg *Config, name string, kernel *ebpf.Map, key func(K) any, value func(V) any) *shadow[K, V] {
	return &shadow[K, V]{name: name, kernel: kernel, key: key, value: value, cfg: cfg}
}

// there is all that the kernel may have.
func (s *shadow[K, V]) there() []atlas.Map[K, V] { return append(slices.Clip(s.tried), s.have) }

// differing gives the keys of which want has something else than one of those
// that may be there; a key may come twice.
func differing[K atlas.Key[K], V comparable](there []atlas.Map[K, V], want atlas.Map[K, V]) iter.Seq[K] {
	return func(yield func(K) bool) {
		for _, m := range there {
			for k := range atlas.Changed(m, want) {
				if !yield(k) {
					return
				}
			}
		}
	}
}

func same[K atlas.Key[K], V comparable](a, b atlas.Map[K, V]) bool {
	for range atlas.Changed(a, b) {
		return false
	}
	return true
}

// add writes what want has and the kernel has not, or not so. The caller goes
// on with prune of the same map.
func (s *shadow[K, V]) add(want atlas.Map[K, V]) error {
	there := s.there()
	if !slices.ContainsFunc(there, func(m atlas.Map[K, V]) bool { return same(m, want) }) {
		s.tried = append(s.tried, want)
	}
	for k := range differing(there, want) {
		v, wanted := want.Get(k)
		if !wanted {
			continue
		}
		key, value := s.key(k), s.value(v)
		if err := s.cfg.write(s.name, func() error { return s.kernel.Put(key, value) }); err != nil {
			return err
		}
	}
	return nil
}

// prune removes what want has not. What want has is there.
func (s *shadow[K, V]) prune(want atlas.Map[K, V]) error {
	for k := range differing(s.there(), want) {
		if _, wanted := want.Get(k); wanted {
			continue
		}
		key := s.key(k)
		err := s.cfg.write(s.name, func() error { return s.kernel.Delete(key) })
		if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return err
		}
	}
	s.have, s.tried = want, nil
	return nil
}

// fits says whether want can be added before anything else is removed.
func (s *shadow[K, V]) fits(want atlas.Map[K, V]) bool {
	size := s.have.Len()
	for k := range differing(append(slices.Clip(s.tried), want), s.have) {
		if _, there := s.have.Get(k); !there {
			size++
		}
	}
	return size <= int(s.kernel.MaxEntries())
}
