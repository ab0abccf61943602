package grants

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/plugin/names"
)

// place is an address of a pod.
type place struct {
	ep   policy.EndpointID
	addr netip.Addr
}

// fact is what a naive book writes down: a name, or the patterns of an entry
// that was found, led a pod to an address.
type fact struct {
	place
	name  string
	found string // the patterns, where there is no name
}

// record is every answer that made a fact, and until when the kernel had it
// where that is all that is known.
type record struct {
	answers []hearing
	found   time.Duration
}

type hearing struct{ at, ttl time.Duration }

// world is a Book, the kernel that does what it says, and the naive book.
type world struct {
	t           *rapid.T
	settings    Settings
	now         time.Duration
	book        *Book
	kernel      map[place]Grant
	watched     map[policy.EndpointID]Watched
	facts       map[fact]record
	connections map[place][]connection
	vouched     map[vouch]time.Duration
	asked       map[policy.EndpointID]time.Duration
	lastEnd     map[place]time.Duration
	awake       bool // Expire was called whenever Next said so
}

func newWorld(t *rapid.T, settings Settings) *world {
	return &world{
		t: t, settings: settings, book: NewBook(settings), awake: true,
		kernel:      make(map[place]Grant),
		watched:     make(map[policy.EndpointID]Watched),
		facts:       make(map[fact]record),
		connections: make(map[place][]connection),
		vouched:     make(map[vouch]time.Duration),
		asked:       make(map[policy.EndpointID]time.Duration),
		lastEnd:     make(map[place]time.Duration),
	}
}

var (
	modelPatterns = []string{"*.example.com", "*.b.example.com", "a.example.com", "a.b.example.com", "example.org"}
	modelNames    = []string{"a.example.com", "a.b.example.com", "c.b.example.com", "example.org", "d.example.com"}
	modelPods     = []policy.EndpointID{1, 2}
	// Two of the addresses are private, and the third is nobody's to allow.
	modelAddrs = append([]netip.Addr{addr("10.0.0.1"), addr("192.168.0.1"), addr("127.0.0.1")}, numbered(0), numbered(1), numbered(2))
	modelTerms = []policy.Term{{}, {}, policy.Fixed(0), policy.Fixed(s), policy.Fixed(3 * s)}
	// modelRanges are what a pattern or the settings may allow.
	modelRanges = [][]netip.Prefix{nil, prefixes("10.0.0.0/8"), prefixes("192.168.0.0/16"), prefixes("0.0.0.0/0", "::/0")}
)

func (w *world) apply(c Change) {
	for _, r := range c.Revoked {
		w.remove(place{r.Endpoint, r.Addr})
	}
	for _, g := range c.Grants {
		w.put(g)
	}
	both := slices.ContainsFunc(c.Grants, func(g Grant) bool {
		return slices.ContainsFunc(c.Revoked, func(r Revocation) bool { return r.Endpoint == g.Endpoint && r.Addr == g.Addr })
	})
	if both {
		w.t.Fatalf("granted and revoked at once: %+v", c)
	}
}

func (w *world) put(g Grant) {
	at := place{g.Endpoint, g.Addr}
	w.kernel[at] = g
	w.lastEnd[at] = max(min(w.lastEnd[at], w.now), g.Expires)
	if g.Expires > w.now {
		if until := w.vouchedFor(at); g.Held > until {
			w.t.Fatalf("%v: held until %v, want no longer than %v", at, g.Held, until)
		}
		// Should the enforcer die, this goes over from open to held as it is.
		for _, p := range g.Patterns {
			w.vouched[vouch{at, p}] = max(w.vouched[vouch{at, p}], g.Held)
		}
	}
}

func (w *world) remove(at place) {
	delete(w.kernel, at)
	w.lastEnd[at] = min(w.lastEnd[at], w.now)
}

func (w *world) learn() Outcome {
	ep := rapid.SampledFrom(modelPods).Draw(w.t, "pod")
	name := rapid.SampledFrom(modelNames).Draw(w.t, "name")
	var addrs []Address
	for _, ip := range rapid.SliceOfN(rapid.SampledFrom(modelAddrs), 0, 4).Draw(w.t, "addresses") {
		ttl := time.Duration(rapid.IntRange(0, 8).Draw(w.t, "ttl")) * s / 4
		addrs = append(addrs, Address{IP: ip, TTL: ttl})
	}
	out := w.book.Learn(w.now, ep, name, addrs)
	if out.Unwanted == slices.ContainsFunc(w.watched[ep].Patterns, func(p string) bool { return matches(p, name) }) {
		w.t.Fatalf("Learn(%s): unwanted %v with %q", name, out.Unwanted, w.watched[ep].Patterns)
	}
	for _, a := range out.Evicted {
		w.remove(place{ep, a})
	}
	for _, g := range out.Entries {
		w.put(g)
	}
	if !out.Unwanted {
		for _, a := range addrs {
			f := fact{place: place{ep, a.IP}, name: name}
			w.facts[f] = w.facts[f].heard(w.now, a.TTL)
			w.refusals(f, out.Refused)
		}
	}
	w.forget()
	return out
}

func (r record) heard(now, ttl time.Duration) record {
	r.answers = append(slices.Clip(r.answers), hearing{now, ttl})
	return r
}

func (w *world) pods() {
	w.forget()
	w.watched = make(map[policy.EndpointID]Watched)
	for _, ep := range modelPods {
		patterns := rapid.SliceOfDistinct(rapid.SampledFrom(modelPatterns), rapid.ID).Draw(w.t, "patterns")
		w.watched[ep] = Watched{Patterns: patterns, Terms: drawTerms(w.t, patterns)}
		if len(patterns) == 0 {
			delete(w.asked, ep)
		}
	}
	w.apply(w.book.Pods(w.now, w.watched))
	w.forget()
}

// forget drops what has ended or is admitted no more. It never comes back.
func (w *world) forget() {
	for f, r := range w.facts {
		last := time.Duration(0)
		for _, p := range w.admits(f) {
			last = max(last, w.life(f, r, p))
		}
		if last <= w.now {
			delete(w.facts, f)
		}
	}
	for at, all := range w.connections {
		for i, c := range all {
			all[i].firm = w.may(at, c.firm)
		}
	}
}

// admits returns the patterns that a fact speaks for.
func (w *world) admits(f fact) (out []string) {
	for _, p := range w.watched[f.ep].Patterns {
		if (slices.Contains(strings.Fields(f.found), p) || f.found == "" && matches(p, f.name)) && w.allowed(f.place, p) {
			out = append(out, p)
		}
	}
	return out
}

// matches is a pattern match in other words.
func matches(pattern, name string) bool {
	p, _ := names.Parse(pattern)
	return p.Matches(name)
}

// step lets time pass with an enforcer that lives, or one that does not.
func (w *world) step(alive bool) {
	w.forget()
	until := w.now + time.Duration(rapid.IntRange(0, 60).Draw(w.t, "quarters"))*s/4
	for alive {
		at, ok := w.book.Next()
		if !ok || at > until {
			break
		}
		w.now = max(w.now, at)
		w.wake()
		w.check()
	}
	w.awake = w.awake && alive
	w.now = until
}

func (w *world) expire() {
	w.wake()
	w.awake = true
	for at, g := range w.kernel {
		if g.Expires <= w.now && len(w.connections[at]) == 0 && w.now-w.asked[at.ep] >= HoldInterval {
			w.t.Fatalf("at %v: %v has expired and is still there: %+v", w.now, at, g)
		}
	}
}

// restart starts over with what the kernel holds.
func (w *world) restart() {
	w.book = NewBook(w.settings)
	w.apply(w.book.Pods(w.now, w.watched))
	w.facts = make(map[fact]record)
	var found []Grant
	for at, g := range w.kernel {
		found = append(found, g)
		if g.Expires > w.now {
			w.facts[fact{place: at, found: strings.Join(g.Patterns, " ")}] = record{found: g.Expires}
		}
	}
	w.apply(w.book.Restore(w.now, found))
	for _, ep := range modelPods {
		w.ask(ep)
	}
	w.awake = true
}

// lives returns how long the naive book lets each pattern admit each address.
func (w *world) lives() map[place]map[string]time.Duration {
	out := make(map[place]map[string]time.Duration)
	for f, r := range w.facts {
		for _, p := range w.admits(f) {
			if out[f.place] == nil {
				out[f.place] = make(map[string]time.Duration)
			}
			out[f.place][p] = max(out[f.place][p], w.life(f, r, p))
		}
	}
	return out
}

// sound: nothing is admitted that the naive book does not admit, now or at any
// time to come, whether anybody calls Expire again or not (N2, N5, N7).
func (w *world) sound() {
	lives := w.lives()
	for at, g := range w.kernel {
		if len(g.Patterns) == 0 || !slices.IsSorted(g.Patterns) {
			w.t.Fatalf("%v: patterns %q", at, g.Patterns)
		}
		for _, p := range g.Patterns {
			if g.Expires > w.now && g.Expires > lives[at][p] {
				w.t.Fatalf("%v: %s until %v, want no longer than %v", at, p, g.Expires, lives[at][p])
			}
		}
	}
	for _, ep := range modelPods {
		for _, g := range w.book.Grants(ep) {
			if got := w.kernel[place{ep, g.Addr}]; !slices.Equal(got.Patterns, g.Patterns) || got.Expires != g.Expires || got.Held != g.Held {
				w.t.Fatalf("the kernel has %+v, the book %+v", got, g)
			}
		}
	}
	if len(w.kernel) != w.book.Len() {
		w.t.Fatalf("the kernel has %d entries, the book %d", len(w.kernel), w.book.Len())
	}
}

// complete: what the naive book admits is admitted, but for the last moment of
// a pattern that shares its address with a longer-lived one.
func (w *world) complete() {
	for at, patterns := range w.lives() {
		top := time.Duration(0)
		for _, life := range patterns {
			top = max(top, life)
		}
		for p, life := range patterns {
			g := w.kernel[at]
			due := life > w.now && (life > w.now+Lead || life == top)
			if due && (g.Expires <= w.now || !slices.Contains(g.Patterns, p)) {
				w.t.Fatalf("at %v, %v: %s lives until %v, want it in %+v", w.now, at, p, life, g)
			}
		}
	}
}

func (w *world) check() {
	w.sound()
	w.holds()
	if w.awake {
		w.complete()
	}
	w.book.audit(w.t)
}

// N2, N5, N6, N7, N10: whatever happens in whatever order, the kernel holds what a
// naive book says.
func TestBookIsNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, Settings{MinTTL: s, Grace: s / 2})
		w.pods()
		t.Repeat(map[string]func(*rapid.T){
			"learn":   func(*rapid.T) { w.learn() },
			"learn 2": func(*rapid.T) { w.learn() },
			"step":    func(*rapid.T) { w.step(true) },
			"sleep":   func(*rapid.T) { w.step(false); w.expire() },
			"dead":    func(*rapid.T) { w.step(false) },
			"expire":  func(*rapid.T) { w.expire() },
			"pods":    func(*rapid.T) { w.pods() },
			"terms":   func(*rapid.T) { w.terms() },
			"set":     func(*rapid.T) { w.configure() },
			"connect": func(*rapid.T) { w.connect() },
			"close":   func(*rapid.T) { w.disconnect() },
			"restart": func(*rapid.T) { w.restart() },
			"":        func(*rapid.T) { w.check() },
		})
	})
}
