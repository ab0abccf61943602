package manifests

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
)

// settingsName is the ConfigMap that holds settings.
const settingsName = "nameward"

// Settings are what flags set and the ConfigMap "nameward" may override.
type Settings struct {
	// Default is the node default after Baseline (P7).
	Default policy.Verdict
	// Mode holds for what says nothing of its own: policies, and the node
	// default (P23).
	Mode convert.Mode
	// AWSRuleOrder orders rules of AWS ClusterNetworkPolicies (P4).
	AWSRuleOrder policy.RuleOrder
	// ClusterDNS may always be asked by pods with name rules (N8).
	ClusterDNS []netip.Addr
	// MinTTL and Grace make the lifetime of what is learnt (N5).
	MinTTL, Grace time.Duration
	// GuardAllow are private networks that names may lead to (N10).
	GuardAllow []netip.Prefix
	// GuardInCluster lets names lead to pods and Services (N10).
	GuardInCluster bool
	// NAT64 are the translation prefixes in use (N10).
	NAT64 []netip.Prefix
	// AddressesPerName and AddressesPerPod are how many addresses a pod can
	// hold, of one name and of all (N15); zero means what package grants has
	// for it. The latter is the flag's alone, since tables are sized by it.
	AddressesPerName, AddressesPerPod int
}

// overrides are the settings that are set; nil means "as it is".
type overrides struct {
	verdict       *policy.Verdict
	mode          *convert.Mode
	order         *policy.RuleOrder
	dns           *[]netip.Addr
	minTTL, grace *time.Duration
	guardAllow    *[]netip.Prefix
	inCluster     *bool
	nat64         *[]netip.Prefix
	perName       *int
}

func (o *overrides) over(base Settings) Settings {
	replace(&base.Default, o.verdict)
	replace(&base.Mode, o.mode)
	replace(&base.AWSRuleOrder, o.order)
	replace(&base.ClusterDNS, o.dns)
	replace(&base.MinTTL, o.minTTL)
	replace(&base.Grace, o.grace)
	replace(&base.GuardAllow, o.guardAllow)
	replace(&base.GuardInCluster, o.inCluster)
	replace(&base.NAT64, o.nat64)
	replace(&base.AddressesPerName, o.perName)
	return base
}

func replace[T any](value *T, by *T) {
	if by != nil {
		*value = *by
	}
}

// keys are the settings a ConfigMap can hold.
var keys = map[string]func(*overrides, string) error{
	"default":          func(o *overrides, s string) error { return set(&o.verdict, s, parseVerdict) },
	"mode":             func(o *overrides, s string) error { return set(&o.mode, s, convert.ParseMode) },
	"awsRuleOrder":     func(o *overrides, s string) error { return set(&o.order, s, parseOrder) },
	"clusterDNS":       func(o *overrides, s string) error { return set(&o.dns, s, list(convert.Address)) },
	"minTTL":           func(o *overrides, s string) error { return set(&o.minTTL, s, convert.ParseLife) },
	"grace":            func(o *overrides, s string) error { return set(&o.grace, s, convert.ParseLife) },
	"guardAllow":       func(o *overrides, s string) error { return set(&o.guardAllow, s, list(convert.CIDR)) },
	"guardInCluster":   func(o *overrides, s string) error { return set(&o.inCluster, s, parseBool) },
	"nat64":            func(o *overrides, s string) error { return set(&o.nat64, s, list(convert.NAT64)) },
	"addressesPerName": func(o *overrides, s string) error { return set(&o.perName, s, parseCount) },
}

func set[T any](into **T, s string, parse func(string) (T, error)) error {
	value, err := parse(s)
	*into = &value
	return err
}

func parseVerdict(s string) (policy.Verdict, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "allow":
		return policy.Allow, nil
	case "deny":
		return policy.Deny, nil
	}
	return policy.VerdictUnknown, fmt.Errorf("%q is not a default; write Allow or Deny", s)
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

// configMap reads the settings; ConfigMaps of other names are not ours.
func (r *reading) configMap(o *object) {
	c, ok := decodeOrFault[corev1.ConfigMap](r, o, true)
	if !ok || c.Name != settingsName {
		return
	}
	if r.settingsAt.file != "" {
		r.fault(o.fault("metadata.name", "a second ConfigMap %q, the first is at %s; keep one of them", settingsName, r.settingsAt))
		return
	}
	r.settingsAt = o.place()
	for _, key := range slices.Sorted(maps.Keys(c.BinaryData)) {
		r.fault(o.fault("binaryData."+key, "settings are texts; write them below data"))
	}
	for _, key := range slices.Sorted(maps.Keys(c.Data)) {
		apply, known := keys[key]
		if !known {
			r.fault(o.fault("data."+key, "unknown setting; possible: %s", strings.Join(slices.Sorted(maps.Keys(keys)), ", ")))
			continue
		}
		if err := apply(&r.snapshot.settings, c.Data[key]); err != nil {
			r.fault(o.fault("data."+key, "%s", err))
		}
	}
}
