package grants

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/nameward/nameward/enforcer/policy"
)

// N15: limits hold whatever happens, and nothing unsound comes of them.
func TestLimitsHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, Settings{MinTTL: s, Grace: s / 2, PerName: 2, PerPod: 3})
		w.pods()
		t.Repeat(map[string]func(*rapid.T){
			"learn":   func(*rapid.T) { w.learnLimited() },
			"step":    func(*rapid.T) { w.step(true) },
			"pods":    func(*rapid.T) { w.pods() },
			"restart": func(*rapid.T) { w.restart() },
			"":        func(*rapid.T) { w.awake = false; w.check(); w.limited() },
		})
	})
}

// learnLimited checks who had to go.
func (w *world) learnLimited() {
	exact := make(map[place]bool)
	for _, p := range w.book.pods {
		for a, e := range p.entries {
			exact[place{p.id, a}] = e.exact()
		}
	}
	before := make(map[place]Grant)
	for at, g := range w.kernel {
		before[at] = g
	}
	w.learn()
	for at := range before {
		if _, stays := w.kernel[at]; stays || !exact[at] {
			continue
		}
		for other := range w.kernel {
			if _, was := before[other]; was && other.ep == at.ep && !exact[other] && !w.book.pods[at.ep].entries[other.addr].exact() && w.full(at.ep) {
				w.t.Fatalf("exact %v went, wildcard %v stays", at, other)
			}
		}
	}
}

// full reports whether the pod is at its limit and no name is.
func (w *world) full(ep policy.EndpointID) bool {
	p := w.book.pods[ep]
	for _, n := range p.names {
		if n.links.Len() >= w.settings.PerName {
			return false
		}
	}
	return len(p.entries) >= w.settings.PerPod
}

func (w *world) limited() {
	for id, p := range w.book.pods {
		if len(p.entries) > w.settings.PerPod {
			w.t.Fatalf("pod %d has %d entries", id, len(p.entries))
		}
		for _, n := range p.names {
			if n.links.Len() > w.settings.PerName {
				w.t.Fatalf("%s has %d addresses", n.text, n.links.Len())
			}
		}
	}
}
