package stream

import (
	"fmt"
	"net/netip"
)

// ParseAddress reads an address of a message: 4 bytes, or 16, where a v4-mapped
// address means the v4 address. Anything else is an error.
func ParseAddress(b []byte) (netip.Addr, error) {
	addr, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.Addr{}, fmt.Errorf("address of %d bytes; want 4 or 16", len(b))
	}
	return addr.Unmap(), nil
}

// ParseAddresses reads a list of addresses and stops at the first bad one.
func ParseAddresses(list [][]byte) ([]netip.Addr, error) {
	addrs := make([]netip.Addr, 0, len(list))
	for _, b := range list {
		addr, err := ParseAddress(b)
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}
