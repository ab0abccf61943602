package policy

import (
	"fmt"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/labels"
)

// What is handed on from World to World does not grow with their number.
func TestNothingGrowsWithTime(t *testing.T) {
	const changes = 1000
	t.Run("pods of other nodes that are rolled out again and again", func(t *testing.T) {
		w := scene(network("np", accept(podsIn("shop", "app=db"))))
		c := Compile(w)
		for i := range changes {
			pod := *w.Pods[1]
			pod.Labels = labels.Set{"app": "db", "pod-template-hash": fmt.Sprint(i)}
			to := *w
			to.Pods = slices.Clone(w.Pods)
			to.Pods[1] = &pod
			w, c = &to, c.Next(&to)
		}
		if got := len(c.census.crowds); got > 4*mostDeserted {
			t.Errorf("got %d crowds of %d pods after %d rollouts", got, len(w.Pods), changes)
		}
	})
	t.Run("a policy that is changed again and again", func(t *testing.T) {
		w := scene(network("np", accept(block("10.0.0.0/8"))))
		c := Compile(w)
		for i := range changes {
			to := *w
			to.Policies = pointers([]Policy{network("np", accept(block("10.0.0.0/8")).on(tcp(uint16(i+1))))})
			w, c = &to, c.Next(&to)
		}
		if got := len(c.book.lists) + len(c.book.drafts) + len(c.book.problems) + len(c.lists); got > 20 {
			t.Errorf("got %d lists, drafts and problems of one policy after %d changes", got, changes)
		}
	})
}
