package pods

import (
	"maps"
	"net/netip"
	"testing"
	"time"
)

// P16: also where no event told that an interface went, because events were
// lost, another one with its index is not the pod's.
func TestReusedIndex(t *testing.T) {
	was := link{name: "veth1", index: 7, kind: "veth", mac: "02:00:00:00:00:01", peer: 2, nsid: 3}
	for _, c := range []struct {
		sentence string
		change   func(*link)
		found    bool
	}{
		{"nothing has changed", func(*link) {}, true},
		{"it has another name", func(l *link) { l.name = "other1" }, true},
		{"it leads to another namespace", func(l *link) { l.nsid = 4 }, false},
		{"it leads to another interface", func(l *link) { l.peer = 3 }, false},
		{"it has another hardware address", func(l *link) { l.mac = "02:00:00:00:00:02" }, false},
		{"it is of another kind", func(l *link) { l.kind = "netkit" }, false},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			is := was
			c.change(&is)
			e := evidenceOf(&is)
			e.held[7] = claim{uid: "a", link: &was, means: byChain}
			l, held := locate(e)
			if _, found := l.Interfaces["a"]; found != c.found {
				t.Errorf("got found %v, want %v: %+v", found, c.found, l)
			}
			if holds := held[7].uid == "a"; holds != c.found {
				t.Errorf("got held %v, want %v", holds, c.found)
			}
			if unknown := len(l.Unknown) == 1; unknown == c.found {
				t.Errorf("got unknown %v, want %v", unknown, !c.found)
			}
		})
	}
}

// evidenceOf is a node with one interface and one pod, of which nobody tells.
func evidenceOf(l *link) *evidence {
	config, now := Config{}.whole(), time.Unix(1_000_000, 0)
	n := &network{links: map[int]*link{l.index: l}}
	n.index()
	n.bar(nil)
	return &evidence{
		config: &config, now: now, network: n, held: map[int]claim{},
		pods:     []*wanted{{Pod: pod("a", "cart-0"), since: now.Add(-time.Hour)}},
		nsid:     func(string) int { return nowhere },
		inside:   func(*link) ([]netip.Addr, error) { return nil, nil },
		glimpsed: func(*link) []netip.Addr { return nil },
	}
}

// P16: an interface that went stays gone until it is heeded, whatever has its
// index since; and what may have changed adds up.
func TestNewsAddUp(t *testing.T) {
	for _, c := range []struct {
		sentence string
		all      []news
		want     news
	}{
		{"one goes", []news{{links: map[int]bool{7: true}}}, news{links: map[int]bool{7: true}}},
		{"one changes and goes", []news{{links: map[int]bool{7: false}}, {links: map[int]bool{7: true}}}, news{links: map[int]bool{7: true}}},
		{"one goes and another comes", []news{{links: map[int]bool{7: true}}, {links: map[int]bool{7: false}}}, news{links: map[int]bool{7: true}}},
		{"two change", []news{{links: map[int]bool{7: false}}, {links: map[int]bool{8: false}}}, news{links: map[int]bool{7: false, 8: false}}},
		{"all may have changed after one went", []news{{links: map[int]bool{7: true}}, {what: everything}, {what: someRoute}},
			news{what: everything, links: map[int]bool{7: true}}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			var got news
			for _, n := range c.all {
				got.add(n)
			}
			if got.what != c.want.what || !maps.Equal(got.links, c.want.links) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}
