package settings

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
)

// keys are the settings a ConfigMap can hold.
var keys = map[string]func(*Overrides, string) error{
	"default":          func(o *Overrides, s string) error { return set(&o.verdict, s, ParseVerdict) },
	"mode":             func(o *Overrides, s string) error { return set(&o.mode, s, convert.ParseMode) },
	"awsRuleOrder":     func(o *Overrides, s string) error { return set(&o.order, s, parseOrder) },
	"clusterDNS":       func(o *Overrides, s string) error { return set(&o.dns, s, list(convert.Address)) },
	"minTTL":           func(o *Overrides, s string) error { return set(&o.minTTL, s, convert.ParseLife) },
	"grace":            func(o *Overrides, s string) error { return set(&o.grace, s, convert.ParseLife) },
	"guardAllow":       func(o *Overrides, s string) error { return set(&o.guardAllow, s, list(convert.CIDR)) },
	"guardInCluster":   func(o *Overrides, s string) error { return set(&o.inCluster, s, parseBool) },
	"nat64":            func(o *Overrides, s string) error { return set(&o.nat64, s, list(convert.NAT64)) },
	"addressesPerName": func(o *Overrides, s string) error { return set(&o.perName, s, parseCount) },
	"startPosture":     func(o *Overrides, s string) error { return set(&o.posture, s, ParsePosture) },
}

func set[T any](into **T, s string, parse func(string) (T, error)) error {
	value, err := parse(s)
	*into = &value
	return err
}

// ParseVerdict reads a node default in any case.
func ParseVerdict(s string) (policy.Verdict, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "allow":
		return policy.Allow, nil
	case "deny":
		return policy.Deny, nil
	}
	return policy.VerdictUnknown, fmt.Errorf("%q is not a default; write Allow or Deny", s)
}

// ParsePosture reads a start posture in any case.
func ParsePosture(s string) (Posture, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "deny":
		return PostureDeny, nil
	case "default":
		return PostureDefault, nil
	}
	return PostureDeny, fmt.Errorf("%q is not a start posture; write Deny or Default", s)
}

func parseOrder(s string) (policy.RuleOrder, error) {
	switch strings.TrimSpace(s) {
	case "DenyFirst":
		return policy.DenyFirst, nil
	case "AsWritten":
		return policy.AsWritten, nil
	}
	return policy.DenyFirst, fmt.Errorf("%q is not a rule order; write DenyFirst or AsWritten", s)
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither; write true or false", s)
}

// MaxAddresses is the largest limit of addresses, of a name or of a pod (N15).
// A pod's share of the memory is bounded by it.
const MaxAddresses = 100_000

func parseCount(s string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || n < 1 || n > MaxAddresses {
		return 0, fmt.Errorf("%q is no limit of addresses; write 1 to %d", s, MaxAddresses)
	}
	return n, nil
}

// list parses values with commas between them. An empty text is an empty
// list.
func list[T any](parse func(string) (T, error)) func(string) ([]T, error) {
	return func(s string) ([]T, error) {
		var all []T
		if strings.TrimSpace(s) == "" {
			return nil, nil
		}
		for part := range strings.SplitSeq(s, ",") {
			value, err := parse(strings.TrimSpace(part))
			if err != nil {
				return nil, err
			}
			all = append(all, value)
		}
		return all, nil
	}
}

// Fault is a setting that cannot be used.
type Fault struct {
	// Field is where it stands in the ConfigMap, such as data.grace.
	Field string
	// Reason says what would be right.
	Reason string
}

func (f Fault) String() string { return f.Field + ": " + f.Reason }

// Parse reads what a ConfigMap holds. With faults nothing of it is to be used:
// half of what somebody wrote is not what he wants.
func Parse(data map[string]string, binary map[string][]byte) (Overrides, []Fault) {
	var all Overrides
	var faults []Fault
	for _, key := range slices.Sorted(maps.Keys(binary)) {
		faults = append(faults, Fault{"binaryData." + key, "settings are texts; write them below data"})
	}
	for _, key := range slices.Sorted(maps.Keys(data)) {
		apply, known := keys[key]
		if !known {
			faults = append(faults, Fault{"data." + key, "unknown setting; possible: " + strings.Join(slices.Sorted(maps.Keys(keys)), ", ")})
			continue
		}
		if err := apply(&all, data[key]); err != nil {
			faults = append(faults, Fault{"data." + key, err.Error()})
		}
	}
	return all, faults
}
