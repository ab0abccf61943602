package hub

import (
	"crypto/sha256"
	"encoding/binary"
	"runtime"
	"sync"
	"weak"

	"github.com/nameward/nameward/plugin/names"
)

// sets makes each set of patterns once, however many pods have the same rules:
// a cluster has far fewer policies than pods. A set lives as long as any watch
// of it.
type sets struct {
	mu    sync.Mutex
	known map[fingerprint]weak.Pointer[names.Set] // guarded by mu
}

// fingerprint stands for a list of patterns. It is a cryptographic one: two
// lists with the same fingerprint would share their pods' rules.
type fingerprint [sha256.Size]byte

func fingerprintOf(patterns []string) (f fingerprint) {
	hash := sha256.New()
	var buf []byte
	for _, text := range patterns {
		buf = binary.AppendUvarint(buf[:0], uint64(len(text)))
		hash.Write(append(buf, text...))
	}
	hash.Sum(f[:0])
	return f
}

// of returns the set of patterns, or the error of the first that is none.
func (s *sets) of(patterns []string) (*names.Set, error) {
	f := fingerprintOf(patterns)
	if set := s.find(f); set != nil {
		return set, nil
	}
	parsed := make([]names.Pattern, 0, len(patterns))
	for _, text := range patterns {
		p, err := names.Parse(text)
		if err != nil {
			return nil, err
		}
		parsed = append(parsed, p)
	}
	return s.keep(f, names.NewSet(parsed)), nil
}

func (s *sets) find(f fingerprint) *names.Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[f].Value()
}

// keep returns set, or the one that another session has made meanwhile.
func (s *sets) keep(f fingerprint, set *names.Set) *names.Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	if have := s.known[f].Value(); have != nil {
		return have
	}
	if s.known == nil {
		s.known = make(map[fingerprint]weak.Pointer[names.Set])
	}
	s.known[f] = weak.Make(set)
	runtime.AddCleanup(set, s.forget, f)
	return set
}

// forget drops the entry of a set that nobody has any more, unless it has been
// made again.
func (s *sets) forget(f fingerprint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[f].Value() == nil {
		delete(s.known, f)
	}
}
