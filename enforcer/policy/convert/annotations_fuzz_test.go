package convert

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/nameward/nameward/enforcer/policy"
)

// FuzzAnnotations proves P15 for values that anybody who may write a policy may
// write: what is taken is within bounds, what is not is told with its field, and
// nothing that cannot be read opens anything.
func FuzzAnnotations(f *testing.F) {
	f.Add("audit", "30s", "1h", "10.0.0.0/8, fd00::/8", "true")
	f.Add("", "-1s", "25h", "10.0.0.0/8,", "maybe")
	f.Add("ENFORCE", "1e3s", "0", "0.0.0.0/0", "False")
	f.Add("audit ", " 5m ", "", "169.254.0.0/16", " TRUE")
	f.Add("x", "1s", "1s", "::ffff:10.0.0.0/104", "")
	f.Fuzz(func(t *testing.T, mode, minTTL, grace, private, lockdown string) {
		meta := &metav1.ObjectMeta{Annotations: map[string]string{
			ModeAnnotation: mode, MinTTLAnnotation: minTTL, GraceAnnotation: grace,
			AllowPrivateAnnotation: private, LockdownAnnotation: lockdown,
		}}
		p := policy.Policy{Egress: &policy.Section{Rules: []policy.Rule{{Peers: []policy.Peerage{{Name: "example.org"}}}}}}
		got, problems := Annotations(meta, &p)
		told := make(map[string]bool)
		for _, problem := range problems {
			if problem.Field == "" || problem.Reason == "" {
				t.Fatalf("problem %+v, want one with field and reason", problem)
			}
			told[strings.TrimPrefix(problem.Field, "metadata.annotations.")] = true
		}
		if told[ModeAnnotation] && got != ModeEnforce {
			t.Errorf("mode %q is told and means %v, want it enforced", mode, got)
		}
		for key, term := range map[string]policy.Term{MinTTLAnnotation: p.Names.Life.MinTTL, GraceAnnotation: p.Names.Life.Grace} {
			if !term.Set || term.Value < 0 || term.Value > 24*time.Hour || told[key] && term.Value != 0 {
				t.Errorf("%s %q is %+v, told: %v", key, meta.Annotations[key], term, told[key])
			}
		}
		if told[AllowPrivateAnnotation] && len(p.Names.Private) > 0 {
			t.Errorf("allow-private %q is told and allows %v", private, p.Names.Private)
		}
		for _, prefix := range p.Names.Private {
			if !prefix.IsValid() || prefix != prefix.Masked() {
				t.Errorf("allow-private %q allows %v", private, prefix)
			}
		}
		if off := strings.EqualFold(strings.TrimSpace(lockdown), "false"); p.Lockdown == off {
			t.Errorf("lockdown %q is %v", lockdown, p.Lockdown)
		}
	})
}
