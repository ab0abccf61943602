package convert

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/nameward/nameward/enforcer/policy"
)

// CIDR reads a CIDR as old Kubernetes objects may hold it: host bits set, and
// leading zeros in the decimal numbers of an IPv4 one (P11). It gives a masked
// prefix. An IPv4-mapped IPv6 CIDR is an error, since IPv6 never matches IPv4.
func CIDR(s string) (netip.Prefix, error) {
	address, length, ok := strings.Cut(s, "/")
	if !ok {
		if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
			return netip.Prefix{}, fmt.Errorf("%q has no prefix length; write %s/%d", s, s, addr.BitLen())
		}
		return netip.Prefix{}, notCIDR(s)
	}
	addr, err := netip.ParseAddr(trimZeros(address))
	bits, ok := prefixLength(length)
	if err != nil || !ok || addr.Zone() != "" {
		return netip.Prefix{}, notCIDR(s)
	}
	prefix, err := addr.Prefix(bits)
	switch {
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("%q has prefix length %d; at most %d is possible", s, bits, addr.BitLen())
	case prefix.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%q is an IPv4-mapped CIDR; write it as IPv4", s)
	}
	return prefix, nil
}

func notCIDR(s string) error {
	return fmt.Errorf("%q is not a CIDR; write an address and a prefix length, such as 10.0.0.0/8 or fd00::/8", s)
}

// trimZeros makes 010.001.000.000 what everybody but C means by it.
func trimZeros(s string) string {
	if strings.Contains(s, ":") {
		return s
	}
	parts := strings.Split(s, ".")
	for i, part := range parts {
		if trimmed := strings.TrimLeft(part, "0"); trimmed != "" || part == "" {
			parts[i] = trimmed
		} else {
			parts[i] = "0"
		}
	}
	return strings.Join(parts, ".")
}

func prefixLength(s string) (int, bool) {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	bits, err := strconv.Atoi(s)
	return bits, err == nil
}

func (r *report) networkPeer(field, cidr string) policy.Peerage {
	prefix, err := CIDR(cidr)
	if err != nil {
		return r.malformedPeer(field, err.Error())
	}
	return policy.Peerage{Block: &policy.Block{CIDR: prefix}}
}

// blockPeer keeps holes that lie outside of the block or fill it: what they
// carve out is clear, if hardly meant.
func (r *report) blockPeer(field string, b *networkingv1.IPBlock) policy.Peerage {
	prefix, err := CIDR(b.CIDR)
	if err != nil {
		return r.malformedPeer(field+".cidr", err.Error())
	}
	block := policy.Block{CIDR: prefix}
	for i, except := range b.Except {
		at := fmt.Sprintf("%s.except[%d]", field, i)
		hole, err := CIDR(except)
		switch {
		case err != nil:
			return r.malformedPeer(at, err.Error())
		case !hole.Overlaps(prefix):
			r.tell(at, fmt.Sprintf("%q lies outside of %q and carves nothing out of it", except, b.CIDR))
		case hole.Bits() <= prefix.Bits():
			r.tell(at, fmt.Sprintf("%q covers all of %q, so that the peer matches nothing", except, b.CIDR))
		}
		block.Except = append(block.Except, hole)
	}
	return policy.Peerage{Block: &block}
}
