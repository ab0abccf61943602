package grants

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/nameward/nameward/enforcer/policy"
)

// connection is one that the pod opened when an entry with these patterns was in
// the kernel.
type connection struct {
	patterns []string
	// firm are those of them that the pod has had, and the guard has let have the
	// address, ever since.
	firm  []string
	since time.Duration
}

// vouch is a pattern for which a connection spoke.
type vouch struct {
	place
	pattern string
}

// vouchedFor is until when any connection spoke for an address.
func (w *world) vouchedFor(at place) (until time.Duration) {
	for v, u := range w.vouched {
		if v.place == at {
			until = max(until, u)
		}
	}
	return until
}

// may returns those of the patterns that a pod has and that the guard lets have
// the address.
func (w *world) may(at place, patterns []string) (out []string) {
	for _, p := range patterns {
		if slices.Contains(w.watched[at.ep].Patterns, p) && w.allowed(at, p) {
			out = append(out, p)
		}
	}
	return out
}

// connect opens a connection where the kernel lets the pod.
func (w *world) connect() {
	at := w.somewhere()
	if g, ok := w.kernel[at]; ok && g.Expires > w.now {
		w.connections[at] = append(w.connections[at], connection{g.Patterns, g.Patterns, w.now})
	}
}

func (w *world) disconnect() { delete(w.connections, w.somewhere()) }

func (w *world) somewhere() place {
	return place{
		rapid.SampledFrom(modelPods).Draw(w.t, "pod"),
		rapid.SampledFrom(modelAddrs).Draw(w.t, "address"),
	}
}

// ask tells the book of a pod's connections, and writes down what they vouch for.
func (w *world) ask(ep policy.EndpointID) {
	if len(w.watched[ep].Patterns) == 0 {
		return
	}
	var live []Live
	for at, all := range w.connections {
		if at.ep != ep {
			continue
		}
		l := Live{Addr: at.addr, Connections: len(all)}
		for _, c := range all {
			l.Patterns = append(l.Patterns, c.patterns...)
			for _, p := range w.may(at, c.patterns) {
				w.vouched[vouch{at, p}] = w.now + HoldFor
			}
		}
		live = append(live, l)
	}
	w.asked[ep] = w.now
	w.apply(w.book.Hold(w.now, ep, live))
}

// wake does what a living enforcer does when it is due.
func (w *world) wake() {
	w.apply(w.book.Expire(w.now))
	for _, ep := range w.book.Due(w.now) {
		if last, ever := w.asked[ep]; ever && w.now-last < HoldInterval {
			w.t.Fatalf("pod %d is asked for %v after %v", ep, w.now, last)
		}
		w.ask(ep)
	}
}

// holds: what is past its time vouches for nothing that no connection vouched for
// a short while ago; and where the enforcer lives, it does for every connection
// that lives (N6).
func (w *world) holds() {
	for at, g := range w.kernel {
		for _, p := range g.Patterns {
			if !slices.Contains(w.watched[at.ep].Patterns, p) {
				w.t.Fatalf("%v: %s, which no rule has (N7)", at, p)
			}
			if !w.allowed(at, p) {
				w.t.Fatalf("%v: %s, which the guard refuses the address (N10)", at, p)
			}
			if g.Held > w.now && g.Expires <= w.now && g.Held > w.vouched[vouch{at, p}] {
				w.t.Fatalf("%v: %s held until %v, want no longer than %v", at, p, g.Held, w.vouched[vouch{at, p}])
			}
		}
	}
	for at, all := range w.connections {
		for _, c := range all {
			for _, p := range c.firm {
				g, asked := w.kernel[at], w.asked[at.ep]
				if !w.awake || g.Expires > w.now || w.now-c.since <= HoldInterval || w.now-max(w.ended(at), 0) <= HoldInterval {
					continue
				}
				if g.Held <= w.now || !slices.Contains(g.Patterns, p) {
					w.t.Fatalf("at %v (asked at %v), %v: a connection by %s since %v, want it held in %+v", w.now, asked, at, p, c.since, g)
				}
			}
		}
	}
}

// ended is the last moment at which the address was open.
func (w *world) ended(at place) (end time.Duration) {
	for _, life := range w.lives()[at] {
		end = max(end, life)
	}
	return max(end, w.lastEnd[at])
}
