// Package settings knows what users can set about enforcement, and how the
// ConfigMap "nameward" says it. It must not know where that comes from, a file,
// a flag or an API server, or what is done with it.
package settings

import (
	"net/netip"
	"time"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
)

// Name is that of the ConfigMap that holds settings.
const Name = "nameward"

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
	// StartPosture is what an interface of no known pod gets (D9).
	StartPosture Posture
}

// Posture is how packets of an interface are judged whose pod is not known yet.
type Posture uint8

const (
	// PostureDeny drops them.
	PostureDeny Posture = iota
	// PostureDefault has the node default judge them.
	PostureDefault
)

func (p Posture) String() string {
	if p == PostureDefault {
		return "Default"
	}
	return "Deny"
}

// Overrides are the settings that are set. The zero value sets none.
type Overrides struct {
	verdict       *policy.Verdict
	mode          *convert.Mode
	order         *policy.RuleOrder
	dns           *[]netip.Addr
	minTTL, grace *time.Duration
	guardAllow    *[]netip.Prefix
	inCluster     *bool
	nat64         *[]netip.Prefix
	perName       *int
	posture       *Posture
}

// Over lays what is set over base.
func (o *Overrides) Over(base Settings) Settings {
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
	replace(&base.StartPosture, o.posture)
	return base
}

func replace[T any](value *T, by *T) {
	if by != nil {
		*value = *by
	}
}
