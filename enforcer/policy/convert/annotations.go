package convert

import (
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/nameward/nameward/enforcer/policy"
)

// AnnotationPrefix begins every annotation that means something here.
const AnnotationPrefix = "nameward.io/"

// annotation is one that a policy may have.
type annotation struct {
	// read takes the value. Where it cannot, what it leaves behind is the
	// stricter reading, and otherwise says in words what that is.
	read      func(*annotated, string) error
	otherwise string
	// idle says why nothing comes of the annotation on this policy, "" where
	// something does.
	idle func(*policy.Policy) string
}

// annotated is what annotations are read into.
type annotated struct {
	policy *policy.Policy
	mode   Mode
}

var annotations = map[string]annotation{
	ModeAnnotation: {
		read:      (*annotated).readMode,
		otherwise: "until then the policy is enforced",
	},
	MinTTLAnnotation: {
		read:      func(a *annotated, s string) error { return readTerm(&a.policy.Names.Life.MinTTL, s) },
		otherwise: "until then it is 0s, whatever the node's setting is",
		idle:      withoutNames,
	},
	GraceAnnotation: {
		read:      func(a *annotated, s string) error { return readTerm(&a.policy.Names.Life.Grace, s) },
		otherwise: "until then it is 0s, whatever the node's setting is",
		idle:      withoutNames,
	},
	AllowPrivateAnnotation: {
		read:      func(a *annotated, s string) error { return readPrivate(&a.policy.Names.Private, s) },
		otherwise: "until then it allows nothing",
		idle:      withoutNames,
	},
	LockdownAnnotation: {
		read:      func(a *annotated, s string) error { return readLockdown(&a.policy.Lockdown, s) },
		otherwise: "until it is, the pods are locked down",
		idle:      withoutEgress,
	},
}

// Annotations reads what the annotations of a policy say into the policy, all
// but its mode, for which others have a word too. What it cannot read is told,
// and the stricter reading holds: nobody knows what was wanted, but less than
// that is safe (P15).
func Annotations(meta *metav1.ObjectMeta, p *policy.Policy) (Mode, []policy.Problem) {
	a := annotated{policy: p}
	r := report{ref: p.Ref}
	for _, key := range slices.Sorted(maps.Keys(meta.Annotations)) {
		field := "metadata.annotations." + key
		known, is := annotations[key]
		switch {
		case is:
			if err := known.read(&a, meta.Annotations[key]); err != nil {
				r.tell(field, err.Error()+"; "+known.otherwise)
			}
			if known.idle != nil {
				if why := known.idle(p); why != "" {
					r.tell(field, why)
				}
			}
		case strings.HasPrefix(key, AnnotationPrefix):
			r.tell(field, "unknown annotation; a policy may have "+strings.Join(slices.Sorted(maps.Keys(annotations)), ", "))
		}
	}
	return a.mode, r.problems
}

// readMode takes a mode that is none for ModeEnforce, since nobody knows that a
// trial was wanted.
func (a *annotated) readMode(s string) (err error) {
	if a.mode, err = ParseMode(s); err != nil {
		a.mode = ModeEnforce
	}
	return err
}

// withoutNames is why an annotation about domainNames is idle.
func withoutNames(p *policy.Policy) string {
	named := p.Egress != nil && slices.ContainsFunc(p.Egress.Rules, func(r policy.Rule) bool {
		return slices.ContainsFunc(r.Peers, func(peer policy.Peerage) bool { return peer.Name != "" })
	})
	if named {
		return ""
	}
	return "nothing comes of it, since the policy has no domainNames; remove it, or annotate the policy that has them"
}

// withoutEgress is why a lockdown is idle.
func withoutEgress(p *policy.Policy) string {
	if !p.Lockdown || p.Egress != nil {
		return ""
	}
	return "the policy says nothing of egress, so no pod is locked down by it; annotate one that does"
}
