package policy

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// D6, D7: where policies alone change, and pods are the very same, what is built
// upon the tables of before is what is built anew, again and again.
func TestNextOfPoliciesIsCompile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := drawWorld(t)
		built := Compile(from)
		for range count(t, "changes", 1, 4) {
			to := *from
			to.Policies = changePolicies(t, from.Policies)
			built = built.Next(&to)
			same(t, built, Compile(&to))
			from = &to
		}
	})
}

// P3, P6: a policy that is gone decides nothing any more, and one that comes
// back decides as before, also where only it has changed.
func TestPolicyThatGoes(t *testing.T) {
	for _, c := range []struct {
		sentence string
		policy   Policy
	}{
		{"of the Admin tier", cluster(TierAdmin, 1, "cnp", deny())},
		{"of the NetworkPolicy tier", network("np")},
		{"of the Baseline tier", cluster(TierBaseline, 1, "cnp", deny())},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			with := scene(cluster(TierAdmin, 9, "other", accept(block("192.0.2.1/32"))), c.policy)
			without := *with
			without.Policies = slices.Clone(with.Policies[:1])
			f := packet{peer: "8.8.8.8", port: 80}.flow(t, with)
			built := Compile(with)
			for _, step := range []struct {
				when string
				w    *World
				want Verdict
			}{{"gone", &without, Allow}, {"back", with, Deny}, {"gone again", &without, Allow}} {
				built = built.Next(step.w)
				if got := judge(built, EndpointOf("web"), f); got.Verdict != step.want {
					t.Errorf("%s: got %+v, want %v", step.when, got, step.want)
				}
			}
		})
	}
}

// What is told of as gone and come makes the one list of the other, or nothing
// is told at all: a pod that is missed keeps its class for ever.
func TestEditBetween(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one := pointers(make([]Service, count(t, "objects", 0, 150)))
		before := slices.Clone(one)
		var after []*Service
		for len(one) > 0 {
			run := min(pick(t, "run", []int{1, 2, 10, 70}), len(one))
			switch count(t, "fate", 0, 5) {
			case 0: // gone
			case 1: // further back
				after = slices.Concat(one[:run], after)
			case 2: // others in their place
				after = append(after, pointers(make([]Service, run))...)
			default:
				after = append(after, one[:run]...)
			}
			one = one[run:]
		}
		after = append(after, pointers(make([]Service, pick(t, "more", []int{0, 1, 70})))...)
		e := editBetween(before, after)
		if e.whole {
			return
		}
		if n := len(e.gone) + len(e.come); n > editLimit {
			t.Fatalf("got %d differences, want at most %d", n, editLimit)
		}
		left := map[*Service]int{}
		for _, s := range slices.Concat(before, e.come) {
			left[s]++
		}
		for _, s := range slices.Concat(after, e.gone) {
			left[s]--
		}
		for s, n := range left {
			if n != 0 {
				t.Fatalf("object %p: got %d more than there are", s, n)
			}
		}
	})
}
