package grants

import "time"

// audit checks that all indices of the book agree with each other.
func (b *Book) audit(t interface{ Fatalf(string, ...any) }) {
	entries := 0
	for _, p := range b.pods {
		links, byName := 0, 0
		for a, e := range p.entries {
			entries++
			links += len(e.links)
			if e.addr != a || e.pod != p || e.place == nil || len(e.patterns) == 0 || b.agenda[e.index] != e {
				t.Fatalf("entry of %v is out of place: %+v", a, e)
			}
			if want := e.rankByName(); e.rank != want && len(e.links) > 0 || (e.rank == lingering) != (len(e.links) == 0) {
				t.Fatalf("entry of %v has rank %d", a, e.rank)
			}
		}
		for _, all := range []map[string]*name{p.names, p.restored} {
			for key, n := range all {
				byName += n.links.Len()
				if n.links.Len() == 0 || n.held == nil && n.text != key {
					t.Fatalf("name %q is out of place", key)
				}
			}
		}
		if links != p.links || byName != p.links || p.ages[0].Len()+p.ages[1].Len()+p.ages[2].Len() != len(p.entries) {
			t.Fatalf("%d links, %d by name, %d counted, ages %d+%d+%d", links, byName, p.links,
				p.ages[0].Len(), p.ages[1].Len(), p.ages[2].Len())
		}
	}
	if entries != len(b.agenda) {
		t.Fatalf("%d entries, %d in the agenda", entries, len(b.agenda))
	}
}

// over is Expire, and Hold where no connection lives.
func (b *Book) over(now time.Duration) Change {
	c := b.Expire(now)
	for _, ep := range b.Due(now) {
		more := b.Hold(now, ep, nil)
		c.Grants, c.Revoked = append(c.Grants, more.Grants...), append(c.Revoked, more.Revoked...)
	}
	return c.sorted()
}
