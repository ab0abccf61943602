package convert

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/nameward/nameward/enforcer/policy"
)

// LockdownAnnotation keeps the pods that a policy selects for egress from asking
// for other names than those of their rules (N9).
const LockdownAnnotation = AnnotationPrefix + "lockdown"

// Lockdown reads the annotation of p into it. What is neither true nor false
// means true, since nobody knows that DNS was to stay open.
func Lockdown(meta *metav1.ObjectMeta, p *policy.Policy) []policy.Problem {
	text, set := meta.Annotations[LockdownAnnotation]
	if !set {
		return nil
	}
	r := report{ref: p.Ref}
	field := "metadata.annotations." + LockdownAnnotation
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "false":
		return nil
	case "true":
	default:
		r.tell(field, fmt.Sprintf("%q is neither true nor false; until it is, the pods are locked down", text))
	}
	p.Lockdown = true
	if p.Egress == nil {
		r.tell(field, "the policy says nothing of egress, so no pod is locked down by it; annotate one that does")
	}
	return r.problems
}
