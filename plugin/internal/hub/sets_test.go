package hub

import (
	"runtime"
	"testing"

	"github.com/nameward/nameward/plugin/internal/enforcertest"
)

// TestEqualRulesShareOneSet: pods of the same rules cost the patterns once, and
// what nobody wants any more is forgotten.
func TestEqualRulesShareOneSet(t *testing.T) {
	var s sets
	of := func(patterns ...string) any {
		t.Helper()
		set, err := s.of(patterns)
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	a := of("aa.b", "b.c")
	tests := []struct {
		name     string
		patterns []string
		same     bool
	}{
		{"the same patterns", []string{"aa.b", "b.c"}, true},
		{"fewer", []string{"aa.b"}, false},
		{"none", nil, false},
		{"the same bytes, cut elsewhere", []string{"aa.bb.c"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := of(tt.patterns...) == a; got != tt.same {
				t.Errorf("shared is %v, want %v", got, tt.same)
			}
		})
	}
	if _, err := s.of([]string{"example.org", "a.*.b"}); err == nil {
		t.Error("a pattern outside the grammar was accepted")
	}
	runtime.KeepAlive(a)
	a = nil
	enforcertest.Await(t, "all sets are forgotten", func() bool {
		runtime.GC()
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.known) == 0
	})
}
