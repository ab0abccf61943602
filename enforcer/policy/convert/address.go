package convert

import (
	"fmt"
	"net/netip"
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
