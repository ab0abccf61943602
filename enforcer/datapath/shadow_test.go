package datapath

import (
	"cmp"
	"errors"
	"maps"
	"testing"

	"github.com/cilium/ebpf"
	"pgregory.net/rapid"

	"github.com/nameward/nameward/enforcer/policy/atlas"
)

type shadowKey uint32

func (k shadowKey) Compare(other shadowKey) int { return cmp.Compare(k, other) }

// D10: what the kernel has is what was wanted last, whichever writes it refused
// before and wherever the attempts then led.
func TestShadowSurvivesRefusals(t *testing.T) {
	newFixture(t) // skips where the kernel is not to be had
	kernel, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Hash, KeySize: 4, ValueSize: 4, MaxEntries: 64})
	must(t, err)
	defer kernel.Close()
	refused := errors.New("refused")
	rapid.Check(t, func(t *rapid.T) {
		left := 0
		cfg := &Config{Before: func(string) error {
			if left--; left < 0 {
				return refused
			}
			return nil
		}}
		s := newShadow(cfg, "table", kernel, func(k shadowKey) any { return uint32(k) }, func(v uint32) any { return v })
		var want atlas.Map[shadowKey, uint32]
		for range rapid.IntRange(1, 6).Draw(t, "changes") {
			for range rapid.IntRange(0, 4).Draw(t, "keys") {
				k := shadowKey(rapid.IntRange(0, 7).Draw(t, "key"))
				if v := rapid.IntRange(0, 3).Draw(t, "value"); v > 0 {
					want = want.With(k, uint32(v))
				} else {
					want = want.Without(k)
				}
			}
			left = rapid.SampledFrom([]int{0, 1, 2, 3, 100}).Draw(t, "writes")
			err := s.add(want)
			if err == nil {
				err = s.prune(want)
			}
			if err != nil && !errors.Is(err, refused) {
				t.Fatal(err)
			}
			if err == nil {
				holdsAll(t, kernel, want)
			}
		}
		left = 100
		if err := errors.Join(s.add(want), s.prune(want)); err != nil {
			t.Fatal(err)
		}
		holdsAll(t, kernel, want)
		if len(s.tried) > 0 {
			t.Fatalf("got %d maps tried that are no longer looked at, want none", len(s.tried))
		}
		if err := errors.Join(s.add(atlas.Map[shadowKey, uint32]{}), s.prune(atlas.Map[shadowKey, uint32]{})); err != nil {
			t.Fatal(err)
		}
	})
}

func holdsAll(t *rapid.T, kernel *ebpf.Map, want atlas.Map[shadowKey, uint32]) {
	t.Helper()
	got := map[shadowKey]uint32{}
	var k, v uint32
	it := kernel.Iterate()
	for it.Next(&k, &v) {
		got[shadowKey(k)] = v
	}
	if err := it.Err(); err != nil {
		t.Fatal(err)
	}
	if want := maps.Collect(want.All()); !maps.Equal(got, want) {
		t.Fatalf("the kernel holds %v, want %v", got, want)
	}
}
