package convert

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/nameward/nameward/enforcer/policy"
)

const (
	// AnnotationPrefix begins every annotation that means something here.
	AnnotationPrefix = "nameward.io/"
	// ModeAnnotation puts a policy, or what is in a Namespace, on trial (P23).
	ModeAnnotation = AnnotationPrefix + "mode"
)

// Mode says whether what is denied is dropped or only reported (P23).
type Mode uint8

const (
	// ModeUnset leaves it to whoever is further away; with nobody there it is
	// enforced.
	ModeUnset Mode = iota
	// ModeEnforce drops.
	ModeEnforce
	// ModeAudit reports.
	ModeAudit
)

// ParseMode reads "audit" or "enforce", in any case.
func ParseMode(s string) (Mode, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "audit":
		return ModeAudit, nil
	case "enforce":
		return ModeEnforce, nil
	}
	return ModeUnset, fmt.Errorf("%q is not a mode; write audit or enforce", s)
}

// Nearest gives the first mode that is set, so the nearest goes first: that of
// the policy, of its namespace, of all.
func Nearest(modes ...Mode) Mode {
	for _, m := range modes {
		if m != ModeUnset {
			return m
		}
	}
	return ModeUnset
}

// Annotations reads what the annotations of a policy set. A mode that is none
// is told and means ModeEnforce, since nobody knows that a trial was wanted.
func Annotations(meta *metav1.ObjectMeta, ref policy.PolicyRef) (Mode, []policy.Problem) {
	var mode Mode
	r := report{ref: ref}
	for _, key := range slices.Sorted(maps.Keys(meta.Annotations)) {
		field := "metadata.annotations." + key
		switch {
		case key == ModeAnnotation:
			var err error
			if mode, err = ParseMode(meta.Annotations[key]); err != nil {
				mode = ModeEnforce
				r.tell(field, err.Error()+"; until then the policy is enforced")
			}
		case key == LockdownAnnotation: // Lockdown reads it
		case strings.HasPrefix(key, AnnotationPrefix):
			r.tell(field, "unknown annotation; a policy may have "+ModeAnnotation+" and "+LockdownAnnotation)
		}
	}
	return mode, r.problems
}
