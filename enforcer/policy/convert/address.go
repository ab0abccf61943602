package convert

import (
	"fmt"
	"net/netip"
	"slices"
)

// Address reads an IP address. It unwraps IPv4-mapped ones, since packets
// never have them.
func Address(s string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(s)
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%q is not an IP address; write one such as 10.96.0.10 or fd00::a", s)
	}
	return addr.Unmap(), nil
}

// NAT64 reads a translation prefix. RFC 6052, 2.2, says where the IPv4 address
// is for six lengths; under any other it could be anywhere.
func NAT64(s string) (netip.Prefix, error) {
	prefix, err := CIDR(s)
	if err != nil {
		return prefix, err
	}
	if prefix.Addr().Is4() || !slices.Contains([]int{32, 40, 48, 56, 64, 96}, prefix.Bits()) {
		return netip.Prefix{}, fmt.Errorf("%q is no NAT64 prefix; write an IPv6 one of length 32, 40, 48, 56, 64 or 96", s)
	}
	return prefix, nil
}
