package main

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/nameward/nameward/enforcer/policy"
)

// S2: a name is judged at an address that no narrower CIDR covers than it must.
func TestOutside(t *testing.T) {
	for _, test := range []struct {
		sentence string
		prefixes []string
		exact    string
		want     string
	}{
		{"without rules it is a documentation address", nil, "", "203.0.113.1"},
		{"a CIDR around everything covers it anyhow", []string{"0.0.0.0/0"}, "", "203.0.113.1"},
		{"a narrower CIDR is avoided", []string{"0.0.0.0/0", "203.0.113.0/24"}, "", "198.51.100.1"},
		{"an address that a rule names is avoided", nil, "203.0.113.1", "198.51.100.1"},
		{"with all documentation in use it lies beside the CIDRs", []string{"1.0.0.0/8", "192.0.0.0/8", "198.0.0.0/8", "203.0.0.0/8"}, "", "2.0.0.0"},
		{"the widest of several is taken", []string{"0.0.0.0/2", "64.0.0.0/2", "128.0.0.0/1", "192.0.0.0/2"}, "", "128.0.0.0"},
		{"the other family's CIDRs do not matter", []string{"::/0", "2001:db8::/32"}, "", "203.0.113.1"},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			tables := tablesOf(test.prefixes...)
			if test.exact != "" {
				tables.Addresses = tables.Addresses.With(netip.MustParseAddr(test.exact), policy.Peer{Class: 1})
			}
			if got := outside(tables, true); got.String() != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func tablesOf(prefixes ...string) *policy.Tables {
	t := &policy.Tables{Prefixes: map[netip.Prefix]policy.ClassID{}}
	for _, p := range prefixes {
		t.Prefixes[netip.MustParsePrefix(p)] = 1
	}
	return t
}

// S2: no public address is covered by a wider CIDR than the one chosen.
func TestOutsideIsWidest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		address := rapid.Custom(func(t *rapid.T) netip.Addr {
			return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "bytes")))
		})
		tables := tablesOf()
		for range rapid.IntRange(0, 8).Draw(t, "prefixes") {
			p := netip.PrefixFrom(address.Draw(t, "prefix"), rapid.IntRange(0, 31).Draw(t, "bits")).Masked()
			tables.Prefixes[p] = 1
		}
		got := outside(tables, true)
		other := address.Filter(public).Draw(t, "other")
		if coveredBy(tables, got) > coveredBy(tables, other) {
			t.Fatalf("got %s, covered by /%d, want such as %s, by /%d", got, coveredBy(tables, got), other, coveredBy(tables, other))
		}
	})
}
