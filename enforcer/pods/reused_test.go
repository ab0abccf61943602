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

// P16: what was known of an interface that went ends with it, though another has
// its index, or its name, and nothing tells the two apart.
func TestGoneIsForgotten(t *testing.T) {
	was := link{name: "veth1", index: 7, kind: "veth", mac: "02:00:00:00:00:01", peer: 2, nsid: 3}
	byIndex, byName := Attachment{ContainerID: "c1", Interface: "veth1", IfIndex: 7}, Attachment{ContainerID: "c1", Interface: "veth1"}
	other := was
	other.nsid = 4
	for _, c := range []struct {
		sentence          string
		told              Attachment
		is                *link
		news              news
		held, seen, known bool
	}{
		{"nothing happened", byIndex, &was, news{}, true, true, true},
		{"it changed", byIndex, &was, news{links: map[int]bool{7: false}}, true, true, true},
		{"it went and the same came", byIndex, &was, news{links: map[int]bool{7: true}}, false, false, false},
		{"it went and the same came, told by its name", byName, &was, news{links: map[int]bool{7: true}}, false, false, false},
		{"another one went", byIndex, &was, news{links: map[int]bool{8: true}}, true, true, true},
		{"it is another without an event", byIndex, &other, news{what: everything}, true, false, true},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			n := &network{links: map[int]*link{7: c.is}}
			n.index()
			a := &attachments{all: map[string]told{"c1": {Attachment: c.told}}}
			s := &search{
				memory:  &memory{told: a, held: map[int]claim{7: {uid: "a", link: &was}}},
				network: n, stale: c.news, glimpses: map[int]glimpse{7: {link: &was}},
			}
			s.forgetGone()
			_, held := s.held[7]
			_, seen := s.glimpses[7]
			_, known := a.all["c1"]
			if held != c.held || seen != c.seen || known != c.known {
				t.Errorf("got held %v, seen into %v, told %v; want %v, %v, %v", held, seen, known, c.held, c.seen, c.known)
			}
		})
	}
}
