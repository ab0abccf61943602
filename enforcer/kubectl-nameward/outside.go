package main

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/nameward/nameward/enforcer/policy"
)

// documentation addresses belong to nobody (RFC 5737, RFC 3849).
var documentation = map[bool][]netip.Addr{ // by Is4
	true:  {netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("192.0.2.1")},
	false: {netip.MustParseAddr("2001:db8::1")},
}

// special are the ranges that the world outside has no addresses in (RFC 6890).
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("224.0.0.0/3"),
	netip.MustParsePrefix("::/3"), netip.MustParsePrefix("4000::/2"), netip.MustParsePrefix("8000::/1"),
}

func public(a netip.Addr) bool {
	return a.IsValid() && !slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(a) })
}

// outside gives an address that stands for the world: of all that the tables
// can tell apart, one that the fewest and widest CIDRs cover. A name asked
// about is taken to lead there, since what it leads to is not known.
func outside(t *policy.Tables, is4 bool) netip.Addr {
	best, narrowest := documentation[is4][0], 1000
	try := func(a netip.Addr) {
		if _, exact := t.Addresses.Get(a); exact || !public(a) {
			return
		}
		if bits := coveredBy(t, a); bits < narrowest {
			best, narrowest = a, bits
		}
	}
	for _, a := range documentation[is4] {
		try(a)
	}
	widest := widestOf(t, is4)
	for _, p := range edges(t, is4) {
		if narrowest <= widest {
			break
		}
		try(p)
	}
	return best
}

// coveredBy is the length of the longest prefix around a, or -1.
func coveredBy(t *policy.Tables, a netip.Addr) int {
	for bits := a.BitLen(); bits >= 0; bits-- {
		if _, ok := t.Prefixes[netip.PrefixFrom(a, bits).Masked()]; ok {
			return bits
		}
	}
	return -1
}

// widestOf is the least that coveredBy can give.
func widestOf(t *policy.Tables, is4 bool) int {
	all := netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	if is4 {
		all = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	if _, ok := t.Prefixes[all]; ok {
		return 0
	}
	return -1
}

// edges gives the addresses right before and right behind each prefix and each
// special range: one of them is in every stretch of public addresses that no
// prefix divides.
func edges(t *policy.Tables, is4 bool) []netip.Addr {
	var found []netip.Addr
	for _, p := range slices.AppendSeq(slices.Clone(special), maps.Keys(t.Prefixes)) {
		if p.Addr().Is4() != is4 {
			continue
		}
		found = append(found, last(p).Next(), p.Addr().Prev())
	}
	slices.SortFunc(found, netip.Addr.Compare)
	return slices.Compact(found)
}

func last(p netip.Prefix) netip.Addr {
	bytes := p.Addr().AsSlice()
	for bit := p.Bits(); bit < p.Addr().BitLen(); bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	a, _ := netip.AddrFromSlice(bytes)
	return a
}
