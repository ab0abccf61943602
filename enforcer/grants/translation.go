package grants

import "net/netip"

// layout says which bytes of an IPv6 address hold an IPv4 address.
type layout [4]uint8

// layouts are those of RFC 6052, 2.2, by prefix length. Byte 8 is never used.
var layouts = map[int]layout{
	32: {4, 5, 6, 7},
	40: {5, 6, 7, 9},
	48: {6, 7, 9, 10},
	56: {7, 9, 10, 11},
	64: {9, 10, 11, 12},
	96: {12, 13, 14, 15},
}

// wellKnownNAT64 is the prefix of RFC 6052, 2.1.
var wellKnownNAT64 = netip.MustParsePrefix("64:ff9b::/96")

// localNAT64 is for any use inside a network, with any prefix length below it
// (RFC 8215), so nobody outside that network can know the layout.
var localNAT64 = netip.MustParsePrefix("64:ff9b:1::/48")

// wrappings lead to an IPv4 address if a router of theirs is on the way.
var wrappings = []struct {
	prefix   netip.Prefix
	layout   layout
	inverted bool
}{
	{prefix: wellKnownNAT64, layout: layouts[96]},                                     // NAT64
	{prefix: netip.MustParsePrefix("2002::/16"), layout: layout{2, 3, 4, 5}},          // 6to4, RFC 3056
	{prefix: netip.MustParsePrefix("2001::/32"), layout: layouts[96], inverted: true}, // Teredo, RFC 4380, 4: the client
	{prefix: netip.MustParsePrefix("2001::/32"), layout: layouts[32]},                 // and its server
	{prefix: netip.MustParsePrefix("::ffff:0:0:0/96"), layout: layouts[96]},           // SIIT, RFC 2765
	{prefix: netip.MustParsePrefix("::/96"), layout: layouts[96]},                     // IPv4-compatible, RFC 4291
}

// isatap says whether an address ends in an interface identifier of ISATAP (RFC
// 5214, 6.1), which any prefix can have. Then the last four bytes are the IPv4
// address.
func isatap(addr netip.Addr) bool {
	b := addr.As16()
	// The universal and the group bit of the first byte may be set.
	return b[8]&^3 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}

// translated returns the IPv4 address inside an address of a declared
// translation prefix. The prefix declares nothing if RFC 6052 has no layout of
// its length.
func (g Guard) translated(addr netip.Addr) (inner []netip.Addr, declared bool) {
	for _, p := range g.NAT64 {
		if l, ok := layouts[p.Bits()]; ok && addr.Is6() && p.Contains(addr) {
			return []netip.Addr{l.read(addr, false)}, true
		}
	}
	return nil, false
}

// embedded returns every IPv4 address that an IPv6 address may stand for.
func embedded(addr netip.Addr) []netip.Addr {
	if !addr.Is6() {
		return nil
	}
	var inner []netip.Addr
	if isatap(addr) {
		inner = append(inner, layouts[96].read(addr, false))
	}
	for _, w := range wrappings {
		if w.prefix.Contains(addr) {
			inner = append(inner, w.layout.read(addr, w.inverted))
		}
	}
	if localNAT64.Contains(addr) {
		inner = append(inner, localInner(addr)...)
	}
	return inner
}

// localInner returns what an address of localNAT64 may stand for, under each of
// the prefix lengths there.
func localInner(addr netip.Addr) (inner []netip.Addr) {
	for _, bits := range []int{48, 56, 64, 96} {
		// No router forwards to 0.0.0.0/8, and zeros are what the places of
		// the other layouts hold as a rule.
		if v4 := layouts[bits].read(addr, false); !zeroNet.Contains(v4) {
			inner = append(inner, v4)
		}
	}
	if len(inner) == 0 {
		inner = append(inner, layouts[96].read(addr, false))
	}
	return inner
}

func (l layout) read(addr netip.Addr, inverted bool) netip.Addr {
	from, to := addr.As16(), [4]byte{}
	for i, at := range l {
		to[i] = from[at]
		if inverted {
			to[i] = ^to[i]
		}
	}
	return netip.AddrFrom4(to)
}
