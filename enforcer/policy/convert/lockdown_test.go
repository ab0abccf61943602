package convert

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/nameward/nameward/enforcer/policy"
)

// N9, P15: what cannot be read is strict, and told.
func TestLockdown(t *testing.T) {
	const told = "neither true nor false"
	for _, c := range []struct {
		sentence, text string
		want           bool
		says           string // empty: no problem
	}{
		{"true locks down", "true", true, ""},
		{"in any case, with spaces", " True ", true, ""},
		{"false does not", "false", false, ""},
		{"another word does, and is told", "no", true, told},
		{"so does none", "", true, told},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			meta := &metav1.ObjectMeta{Annotations: map[string]string{LockdownAnnotation: c.text}}
			p := policy.Policy{Egress: &policy.Section{}}
			_, problems := Annotations(meta, &p)
			if p.Lockdown != c.want || len(problems) > 0 != (c.says != "") {
				t.Errorf("got %v and %v, want %v and %q", p.Lockdown, problems, c.want, c.says)
			}
			if c.says != "" && !strings.Contains(problems[0].String(), c.says) {
				t.Errorf("got %v, want %q", problems, c.says)
			}
		})
	}
	p := policy.Policy{}
	if _, problems := Annotations(&metav1.ObjectMeta{}, &p); p.Lockdown || problems != nil {
		t.Errorf("without: got %v and %v", p.Lockdown, problems)
	}
	meta := &metav1.ObjectMeta{Annotations: map[string]string{LockdownAnnotation: "true"}}
	if _, problems := Annotations(meta, &p); len(problems) != 1 || !strings.Contains(problems[0].Reason, "nothing of egress") {
		t.Errorf("of a policy without egress: got %v, want that it locks nothing down", problems)
	}
}
