package convert

import (
	"fmt"
	"strings"
)

// ModeAnnotation puts a policy, or what is in a Namespace, on trial (P23).
const ModeAnnotation = AnnotationPrefix + "mode"

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
