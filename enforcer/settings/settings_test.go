package settings

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
)

// P7, D9, N5, N10, N15: each setting replaces what the flags say, and what is not
// set stays.
func TestOver(t *testing.T) {
	base := Settings{Default: policy.Allow, MinTTL: time.Second, AddressesPerPod: 7}
	tests := []struct {
		key, value string
		change     func(*Settings)
	}{
		{"default", "deny", func(s *Settings) { s.Default = policy.Deny }},
		{"mode", "audit", func(s *Settings) { s.Mode = convert.ModeAudit }},
		{"awsRuleOrder", "AsWritten", func(s *Settings) { s.AWSRuleOrder = policy.AsWritten }},
		{"clusterDNS", "10.96.0.10, fd96::a", func(s *Settings) {
			s.ClusterDNS = []netip.Addr{netip.MustParseAddr("10.96.0.10"), netip.MustParseAddr("fd96::a")}
		}},
		{"minTTL", "5s", func(s *Settings) { s.MinTTL = 5 * time.Second }},
		{"grace", "0s", func(s *Settings) { s.Grace = 0 }},
		{"guardAllow", "10.0.0.0/8", func(s *Settings) { s.GuardAllow = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }},
		{"guardInCluster", "true", func(s *Settings) { s.GuardInCluster = true }},
		{"nat64", "2001:db8:64::/96", func(s *Settings) { s.NAT64 = []netip.Prefix{netip.MustParsePrefix("2001:db8:64::/96")} }},
		{"addressesPerName", "12", func(s *Settings) { s.AddressesPerName = 12 }},
		{"startPosture", "Default", func(s *Settings) { s.StartPosture = PostureDefault }},
	}
	if len(tests) != len(keys) {
		t.Errorf("%d rows, want one for each of %d settings", len(tests), len(keys))
	}
	for _, tt := range tests {
		t.Run(tt.key, func(t *testing.T) {
			all, faults := Parse(map[string]string{tt.key: tt.value}, nil)
			want := base
			tt.change(&want)
			if got := all.Over(base); len(faults) > 0 || !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v and %v, want %+v", got, faults, want)
			}
		})
	}
}

// S5: what cannot be used is named with its field and what would be right, all of
// it at once.
func TestFaults(t *testing.T) {
	_, faults := Parse(map[string]string{"default": "Block", "grace": "a day", "startPosture": "open", "strict": "true"}, map[string][]byte{"mode": []byte("audit")})
	want := []string{
		"binaryData.mode: settings are texts",
		`data.default: "Block" is not a default; write Allow or Deny`,
		"data.grace: ",
		`data.startPosture: "open" is not a start posture; write Deny or Default`,
		"data.strict: unknown setting; possible: addressesPerName, awsRuleOrder",
	}
	if len(faults) != len(want) {
		t.Fatalf("got %v, want %d faults", faults, len(want))
	}
	for i, f := range faults {
		if !strings.HasPrefix(f.String(), want[i]) {
			t.Errorf("got %q, want it to begin with %q", f, want[i])
		}
	}
}

// D9: who says nothing gets the closed one.
func TestZeroPosture(t *testing.T) {
	if got := (Settings{}).StartPosture; got != PostureDeny || got.String() != "Deny" || PostureDefault.String() != "Default" {
		t.Errorf("got %v, want Deny", got)
	}
}
