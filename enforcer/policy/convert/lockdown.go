package convert

import (
	"fmt"
	"strings"
)

// LockdownAnnotation keeps the pods that a policy selects for egress from asking
// for other names than those of their rules (N9).
const LockdownAnnotation = AnnotationPrefix + "lockdown"

// readLockdown takes what is neither true nor false for true, since nobody knows
// that DNS was to stay open.
func readLockdown(to *bool, text string) error {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "false":
	case "true":
		*to = true
	default:
		*to = true
		return fmt.Errorf("%q is neither true nor false", text)
	}
	return nil
}
