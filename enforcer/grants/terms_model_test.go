package grants

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/nameward/nameward/enforcer/policy"
)

// drawTerms gives some patterns terms of their own.
func drawTerms(t *rapid.T, patterns []string) map[string]policy.Terms {
	out := make(map[string]policy.Terms)
	for _, p := range patterns {
		if rapid.Bool().Draw(t, "as the settings say") {
			continue
		}
		terms := policy.Terms{Private: rapid.SampledFrom(modelRanges).Draw(t, "private")}
		for range rapid.IntRange(1, 2).Draw(t, "policies") {
			terms.Lives = append(terms.Lives, policy.Life{
				MinTTL: rapid.SampledFrom(modelTerms).Draw(t, "min-ttl"), Grace: rapid.SampledFrom(modelTerms).Draw(t, "grace"),
			})
		}
		out[p] = terms
	}
	return out
}

// refusals checks that what no or not every pattern may have is refused (N10).
func (w *world) refusals(f fact, refused []Refusal) {
	var without []string
	for _, p := range w.watched[f.ep].Patterns {
		if matches(p, f.name) && !w.allowed(f.place, p) {
			without = append(without, p)
		}
	}
	slices.Sort(without)
	want := strings.Join(without, ", ")
	if len(w.admits(f)) == 0 {
		want = ""
	}
	i := slices.IndexFunc(refused, func(r Refusal) bool { return r.Addr == f.addr && r.Reason < ReasonNameLimit })
	if told := i >= 0; told != (len(without) > 0) || told && refused[i].Patterns != want {
		w.t.Fatalf("%v: refused %+v, want it for %q", f, refused, want)
	}
}

// allowed says whether the guard lets a pattern have an address, in other words.
func (w *world) allowed(at place, pattern string) bool {
	if at.addr.IsLoopback() {
		return false
	}
	ranges := append(slices.Clip(w.settings.Guard.Allowed), w.watched[at.ep].Terms[pattern].Private...)
	return !at.addr.IsPrivate() || slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Contains(at.addr) })
}

// terms changes nothing but what policies say.
func (w *world) terms() {
	w.forget()
	w.watched = maps.Clone(w.watched)
	for _, ep := range modelPods {
		of := w.watched[ep]
		w.watched[ep] = Watched{Patterns: of.Patterns, Terms: drawTerms(w.t, of.Patterns)}
	}
	w.apply(w.book.Pods(w.now, w.watched))
	w.forget()
}

// configure changes what holds where policies say nothing.
func (w *world) configure() {
	w.forget()
	w.settings.MinTTL = rapid.SampledFrom([]time.Duration{0, s, 2 * s}).Draw(w.t, "min TTL")
	w.settings.Grace = rapid.SampledFrom([]time.Duration{0, s / 2, 2 * s}).Draw(w.t, "grace")
	w.settings.Guard.Allowed = rapid.SampledFrom(modelRanges).Draw(w.t, "allowed")
	w.apply(w.book.Configure(w.now, w.settings))
	w.forget()
}

// life is the longest that any policy with the pattern makes of any answer.
func (w *world) life(f fact, r record, pattern string) time.Duration {
	lives := w.watched[f.ep].Terms[pattern].Lives
	if len(lives) == 0 {
		lives = []policy.Life{{}}
	}
	end := r.found
	for _, l := range lives {
		minTTL, grace := w.settings.MinTTL, w.settings.Grace
		if l.MinTTL.Set {
			minTTL = l.MinTTL.Value
		}
		if l.Grace.Set {
			grace = l.Grace.Value
		}
		for _, a := range r.answers {
			end = max(end, a.at+max(a.ttl, minTTL)+grace)
		}
	}
	return end
}
