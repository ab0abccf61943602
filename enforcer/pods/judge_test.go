package pods

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// evidenceGen is a small node where anything may contradict anything.
func evidenceGen(t *rapid.T) *evidence {
	epoch := time.Unix(1_000_000, 0)
	addr := rapid.Custom(func(t *rapid.T) netip.Addr {
		return netip.AddrFrom4([4]byte{10, 0, 0, byte(rapid.IntRange(1, 4).Draw(t, "addr"))})
	})
	uid := rapid.SampledFrom([]string{"a", "b", "c", "d"})
	n := &network{links: map[int]*link{}, ways: map[netip.Addr][]int{}}
	for index := range 6 {
		n.links[index+1] = &link{
			name: fmt.Sprintf("veth%d", index+1), index: index + 1, peer: 2, mac: fmt.Sprint(index),
			kind: rapid.SampledFrom([]string{"veth", "veth", "veth", "bridge"}).Draw(t, "kind"),
			nsid: rapid.IntRange(nowhere, 4).Draw(t, "nsid"),
		}
	}
	index := rapid.IntRange(1, 7)
	n.defaults = rapid.SliceOfN(index, 0, 1).Draw(t, "defaults")
	for range rapid.IntRange(0, 3).Draw(t, "ways") {
		to := addr.Draw(t, "to")
		n.ways[to] = append(n.ways[to], index.Draw(t, "device"))
	}
	n.index()
	n.bar(nil)
	e := &evidence{config: &Config{Pods: []string{"*"}}, now: epoch, network: n, held: map[int]claim{}}
	for _, u := range []string{"a", "b", "c"} {
		if rapid.Bool().Draw(t, "wanted") {
			p := Pod{UID: u, Namespace: "n", Name: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "name"), Addresses: rapid.SliceOfN(addr, 0, 2).Draw(t, "addresses")}
			e.pods = append(e.pods, &wanted{Pod: p, since: epoch.Add(-time.Minute)})
		}
	}
	for range rapid.IntRange(0, 4).Draw(t, "facts") {
		f := &fact{
			means: rapid.SampledFrom([]means{byCache, byChain}).Draw(t, "means"), at: epoch.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "at"))),
			uid: rapid.OneOf(uid, rapid.Just("")).Draw(t, "uid"), namespace: "n", name: "x", source: "somebody",
			netns: fmt.Sprint(rapid.IntRange(nowhere, 4).Draw(t, "netns")), addresses: rapid.SliceOfN(addr, 0, 1).Draw(t, "told"),
		}
		f.ends = []end{{name: fmt.Sprintf("veth%d", index.Draw(t, "end"))}}
		e.facts = append(e.facts, f)
	}
	for range rapid.IntRange(0, 2).Draw(t, "held") {
		l := n.links[rapid.IntRange(1, 6).Draw(t, "held link")]
		e.held[l.index] = claim{uid: uid.Draw(t, "holder"), link: l, means: rapid.SampledFrom([]means{byScan, byRoute, byCache}).Draw(t, "by"), addresses: []netip.Addr{addr.Draw(t, "by address")}}
	}
	inside := map[int][]netip.Addr{}
	for index := range n.links {
		inside[index] = rapid.SliceOfN(addr, 0, 2).Draw(t, "inside")
	}
	blind := rapid.IntRange(0, 9).Draw(t, "blind") == 0
	e.inside = func(l *link) ([]netip.Addr, error) {
		if blind {
			return nil, errors.New("not permitted")
		}
		return inside[l.index], nil
	}
	e.glimpsed = func(l *link) []netip.Addr { return inside[l.index] }
	e.nsid = func(path string) (id int) {
		_, _ = fmt.Sscan(path, &id)
		return id
	}
	return e
}

// P16, P17: whatever contradicts whatever, an interface is one pod's at most,
// never the node's own, and every pod and every interface that looks like a
// pod's is accounted for. Forged addresses take nothing from what is told.
func TestEverythingIsAccountedFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := evidenceGen(t)
		l, held := locate(e)
		owner := map[int]string{}
		for uid, i := range l.Interfaces {
			if other, taken := owner[i.Index]; taken {
				t.Fatalf("%s is both %s's and %s's", i.Name, uid, other)
			}
			owner[i.Index] = uid
			if why := e.network.barred[i.Index]; why != "" {
				t.Fatalf("%s is %s's although %s", i.Name, uid, why)
			}
			if held[i.Index].uid != uid {
				t.Fatalf("%s is %s's, and held by %q", i.Name, uid, held[i.Index].uid)
			}
			if h, had := e.held[i.Index]; had && h.uid != uid && held[i.Index].means <= byRoute && !wants(e, h.uid) {
				t.Fatalf("%s is %s's by an address, and was %s's", i.Name, uid, h.uid)
			}
			if slices.Contains(l.Unknown, i) {
				t.Fatalf("%s is %s's and unknown", i.Name, uid)
			}
		}
		for _, p := range e.pods {
			if _, found := l.Interfaces[p.UID]; found == (l.Why[p.UID] != "") {
				t.Fatalf("pod %s: found %v, and why not %q", p.UID, found, l.Why[p.UID])
			}
		}
		for index, n := range e.network.links {
			_, found := owner[index]
			unknown := slices.Contains(l.Unknown, n.here())
			if unknown && (!n.far() || e.network.barred[index] != "") {
				t.Fatalf("%s is unknown, and no pod's", n.name)
			}
			if n.far() && e.network.barred[index] == "" && !found && !unknown && !besides(l, e, n) {
				t.Fatalf("%s is neither somebody's nor unknown", n.name)
			}
		}
		if again, _ := locate(e); !reflect.DeepEqual(again.Interfaces, l.Interfaces) || !again.equal(l) {
			t.Fatalf("the same evidence gives %+v and %+v", l, again)
		}
		e.inside = func(*link) ([]netip.Addr, error) { return nil, nil }
		honest, by := locate(e)
		for uid, i := range honest.Interfaces {
			if by[i.Index].means > byRoute && l.Interfaces[uid] != i {
				t.Fatalf("forged addresses move %s from %s to %s", uid, i.Name, l.Interfaces[uid].Name)
			}
		}
	})
}

// besides says whether an interface is a further one of a found pod.
func besides(l *Located, e *evidence, n *link) bool {
	for _, i := range l.Interfaces {
		if e.network.links[i.Index].nsid == n.nsid {
			return true
		}
	}
	return false
}

func wants(e *evidence, uid string) bool {
	return slices.ContainsFunc(e.pods, func(p *wanted) bool { return p.UID == uid })
}

// P16, P21: what the runtime tells of a UID is taken for the pod of that UID only
// where it is the pod of that name: of a static pod the API knows both by what an
// object says of itself. The interface is then nobody's, also by an address.
func TestUIDGoesWithItsName(t *testing.T) {
	for _, row := range []struct {
		sentence, namespace, name string
		found                     bool
	}{
		{"the pod's own name", "n", "x", true},
		{"another name", "n", "y", false},
		{"another namespace", "m", "x", false},
		{"a runtime that tells no name", "", "", true},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			address := netip.MustParseAddr("10.0.0.1")
			n := &network{links: map[int]*link{7: {name: "veth7", index: 7, peer: 2, kind: "veth", nsid: 1}}, ways: map[netip.Addr][]int{address: {7}}}
			n.index()
			n.bar(nil)
			e := &evidence{
				config: &Config{Pods: []string{"*"}}, now: time.Unix(1_000_000, 0), network: n,
				pods:     []*wanted{{Pod: Pod{UID: "a", Namespace: "n", Name: "x", Addresses: []netip.Addr{address}}}},
				facts:    []*fact{{means: byChain, uid: "a", namespace: row.namespace, name: row.name, source: "the CNI chain", ends: []end{{index: 7}}}},
				nsid:     func(string) int { return nowhere },
				inside:   func(*link) ([]netip.Addr, error) { return []netip.Addr{address}, nil },
				glimpsed: func(*link) []netip.Addr { return []netip.Addr{address} },
			}
			l, _ := locate(e)
			if _, found := l.Interfaces["a"]; found != row.found || found != (len(l.Unknown) == 0) || found != (l.Why["a"] == "") {
				t.Errorf("got %+v, want it found: %v", l, row.found)
			}
		})
	}
}
