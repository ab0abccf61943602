package report

import (
	"slices"
	"time"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// lack says how far a status is from what it should say.
type lack uint8

const (
	lackUnknown lack = iota // nobody has looked yet
	lackNothing
	// lackWords is a message that counts other nodes than it should.
	lackWords
	// lackState is a status, a reason or a generation that is wrong.
	lackState
)

// compare judges the conditions that an object has.
func (w *wanted) compare(have []meta.Condition) lack {
	worst := lackNothing
	for _, c := range w.conditions() {
		at := slices.IndexFunc(have, func(h meta.Condition) bool { return h.Type == c.Type })
		switch {
		case at < 0, have[at].Status != c.Status, have[at].Reason != c.Reason, have[at].ObservedGeneration != c.ObservedGeneration:
			return lackState
		case have[at].Message != c.Message:
			worst = lackWords
		}
	}
	return worst
}

func (w *wanted) conditions() [2]meta.Condition {
	condition := func(name string, v verdict) meta.Condition {
		return meta.Condition{Type: name, Status: v.status, Reason: v.reason, Message: v.message,
			ObservedGeneration: w.policy.Generation}
	}
	return [2]meta.Condition{condition(typeAccepted, w.accepted), condition(typeEnforced, w.enforced)}
}

// merge gives the whole list that an object should have: those of others stay
// as and where they are. AWS's kinds declare no key for their list, so that only
// the whole list can be written.
func (w *wanted) merge(have []meta.Condition, now time.Time) []meta.Condition {
	merged := slices.Clone(have)
	for _, c := range w.conditions() {
		c.LastTransitionTime = meta.NewTime(now.UTC().Truncate(time.Second))
		at := slices.IndexFunc(merged, func(h meta.Condition) bool { return h.Type == c.Type })
		if at < 0 {
			merged = append(merged, c)
			continue
		}
		if merged[at].Status == c.Status {
			c.LastTransitionTime = merged[at].LastTransitionTime
		}
		merged[at] = c
	}
	return merged
}
