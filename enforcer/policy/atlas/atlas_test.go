package atlas

import (
	"cmp"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

type number int

// compared counts how often keys were, over all tests.
var compared int

func (n number) Compare(other number) int {
	compared++
	return cmp.Compare(n, other)
}

// check holds m to what it should be.
func check(t rapid.TB, m Map[number, int], want map[number]int) {
	t.Helper()
	var keys []number
	for k, v := range m.All() {
		keys = append(keys, k)
		if w, ok := want[k]; !ok || v != w {
			t.Fatalf("%d: got %d, want %d, %v", k, v, w, ok)
		}
		if got, ok := m.Get(k); !ok || got != v {
			t.Fatalf("%d: asked for, got %d, %v; want %d", k, got, ok, v)
		}
		for _, other := range []number{k - 1, k + 1} {
			_, there := want[other]
			if got, ok := m.Get(other); ok != there {
				t.Fatalf("%d: asked for, got %d, %v; want it known %v", other, got, ok, there)
			}
		}
	}
	if wanted := slices.Sorted(maps.Keys(want)); !slices.Equal(keys, wanted) {
		t.Fatalf("got keys %v, want %v", keys, wanted)
	}
	if m.Len() != len(want) {
		t.Fatalf("got length %d, want %d", m.Len(), len(want))
	}
	for _, p := range m.pages {
		if len(p) == 0 || len(p) > 2*pageSize {
			t.Fatalf("got a page of %d entries, want 1 to %d", len(p), 2*pageSize)
		}
		if cap(p) > len(p)+len(p)/2+8 {
			t.Fatalf("got a page of %d entries that holds on to room for %d", len(p), cap(p))
		}
	}
}

// built gives the map of want, made at once.
func built(want map[number]int) Map[number, int] {
	var b Builder[number, int]
	for _, k := range slices.Sorted(maps.Keys(want)) {
		b.Add(k, want[k])
	}
	return b.Map()
}

// version is a Map, and what should be in it.
type version struct {
	m    Map[number, int]
	want map[number]int
}

// next is a version made from v by a run of changes.
func (v version) next(t *rapid.T, span int) version {
	m, want := v.m, maps.Clone(v.want)
	first := number(rapid.IntRange(0, span).Draw(t, "first"))
	end := first + number(rapid.SampledFrom([]int{1, 5, 2 * pageSize}).Draw(t, "length"))
	value, out := rapid.IntRange(0, 2).Draw(t, "value"), rapid.Bool().Draw(t, "out")
	for k := first; k < end; k++ {
		if out {
			m = m.Without(k)
			delete(want, k)
		} else {
			m = m.With(k, value)
			want[k] = value
		}
	}
	return version{m, want}
}

// differ gives the keys of which a and b do not know the same.
func differ(a, b map[number]int) []number {
	var keys []number
	for k, v := range a {
		if w, ok := b[k]; !ok || v != w {
			keys = append(keys, k)
		}
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

// A Map is a map whatever way led to it, changes nothing in the one it was made
// from, and its differences from any other are found.
func TestMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := map[number]int{}
		span := rapid.SampledFrom([]int{8, 3 * pageSize, 8 * pageSize}).Draw(t, "span")
		for i := range rapid.IntRange(0, span).Draw(t, "size") {
			want[number(i*span/7%span)] = i
		}
		versions := []version{{built(want), want}}
		for range rapid.SampledFrom([]int{1, 20}).Draw(t, "runs") {
			from := versions[max(0, len(versions)-rapid.IntRange(1, 3).Draw(t, "versions ago"))]
			versions = append(versions, from.next(t, span))
		}
		for _, v := range versions {
			check(t, v.m, v.want)
		}
		before, after := versions[0], versions[len(versions)-1]
		if got, want := slices.Collect(Changed(before.m, after.m)), differ(before.want, after.want); !slices.Equal(got, want) {
			t.Fatalf("changed: got %v, want %v", got, want)
		}
		if got, want := slices.Collect(Changed(after.m, built(before.want))), differ(before.want, after.want); !slices.Equal(got, want) {
			t.Fatalf("changed to one made apart: got %v, want %v", got, want)
		}
	})
}

// Whoever has seen enough is shown no more.
func TestGoingThroughStops(t *testing.T) {
	want := map[number]int{}
	for i := range 3 * pageSize {
		want[number(i)] = i
	}
	m := built(want)
	for _, least := range []number{0, 1, pageSize - 1, pageSize} {
		var seen, changed []number
		for k := range m.All() {
			if seen = append(seen, k); k == least {
				break
			}
		}
		for k := range Changed(m, Map[number, int]{}) {
			if changed = append(changed, k); k == least {
				break
			}
		}
		if len(seen) != int(least)+1 || len(changed) != int(least)+1 {
			t.Errorf("got %d keys and %d changed, want those up to %d", len(seen), len(changed), least)
		}
	}
}

// A Builder that has given its Map starts anew.
func TestBuilderEnds(t *testing.T) {
	var b Builder[number, int]
	for i := range pageSize + 1 {
		b.Add(number(i), i)
	}
	first := b.Map()
	b.Add(7, 8)
	if second := b.Map(); first.Len() != pageSize+1 || second.Len() != 1 {
		t.Errorf("got %d and %d keys, want %d and 1", first.Len(), second.Len(), pageSize+1)
	}
}

// What the two share is not looked at: otherwise each pod of a large cluster
// would cost a pass over all.
func TestChangedSkipsWhatIsShared(t *testing.T) {
	want := map[number]int{}
	for i := range 100 * pageSize {
		want[number(2*i)] = i
	}
	m := built(want)
	for _, c := range []struct {
		sentence string
		to       Map[number, int]
	}{
		{"one comes", m.With(4001, 1)},
		{"one goes", m.Without(4000)},
		{"one is another", m.With(4000, 1)},
		{"one comes before all", m.With(-1, 1)},
		{"one comes after all", m.With(1<<30, 1)},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			compared = 0
			if got := len(slices.Collect(Changed(m, c.to))); got != 1 {
				t.Errorf("got %d changed, want 1", got)
			}
			if most := 3 * pageSize; compared > most {
				t.Errorf("compared keys %d times, want at most %d", compared, most)
			}
			shared := 0
			for i := range c.to.pages {
				if slices.ContainsFunc(m.pages, func(p page[number, int]) bool { return &p[0] == &c.to.pages[i][0] }) {
					shared++
				}
			}
			if shared < 99 {
				t.Errorf("got %d of 100 pages shared, want 99", shared)
			}
		})
	}
}

// Pages that are emptied one by one are joined, so that memory follows size.
func TestPagesAreJoined(t *testing.T) {
	want := map[number]int{}
	for i := range 64 * pageSize {
		want[number(i)] = i
	}
	m := built(want)
	for i := range 64 * pageSize {
		if i%32 != 0 {
			m = m.Without(number(i))
		}
	}
	if got, most := len(m.pages), 2*m.Len()/pageLeast+1; got > most {
		t.Errorf("got %d pages of %d entries, want at most %d", got, m.Len(), most)
	}
}

// A page whose neighbour is full is not joined with it.
func TestFullPagesAreNotJoined(t *testing.T) {
	want := map[number]int{}
	for i := range 2 * pageSize {
		want[number(2*i)] = i
	}
	m := built(want)
	for i := range pageSize { // into the second page
		k := number(2*pageSize + 2*i + 1)
		m, want[k] = m.With(k, i), i
	}
	for i := range pageSize - 1 {
		m = m.Without(number(2 * i))
		delete(want, number(2*i))
		check(t, m, want)
	}
}

// Pages that grow are split into ones that can grow again: else each key that
// comes before others would have a page of its own.
func TestPagesAreFilled(t *testing.T) {
	m := Map[number, int]{}
	for i := range 16 * pageSize {
		m = m.With(number(-i), i)
	}
	if got, most := len(m.pages), m.Len()/pageSize+1; got > most {
		t.Errorf("got %d pages of %d entries, want at most %d", got, m.Len(), most)
	}
}
