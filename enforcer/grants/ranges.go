package grants

import "net/netip"

// metadata are the services of clouds that hand out credentials to whoever
// asks from inside. Some lie in ranges that an operator has reason to allow,
// so they are refused by address.
var metadata = map[netip.Addr]bool{
	netip.MustParseAddr("169.254.169.254"): true, // AWS, Azure, Google, most others
	netip.MustParseAddr("169.254.170.2"):   true, // AWS ECS task credentials
	netip.MustParseAddr("169.254.170.23"):  true, // AWS EKS Pod Identity
	netip.MustParseAddr("fd00:ec2::254"):   true, // AWS
	netip.MustParseAddr("fd00:ec2::23"):    true, // AWS EKS Pod Identity
	netip.MustParseAddr("fd20:ce::254"):    true, // Google
	netip.MustParseAddr("100.100.100.200"): true, // Alibaba
	netip.MustParseAddr("192.0.0.192"):     true, // Oracle
	netip.MustParseAddr("168.63.129.16"):   true, // Azure WireServer
	netip.MustParseAddr("fd00:42::42"):     true, // Scaleway
}

var broadcast = netip.MustParseAddr("255.255.255.255")

// closed is refused unless Guard.Allowed has the address.
var closed = []struct {
	prefix netip.Prefix
	reason Reason
}{
	{netip.MustParsePrefix("10.0.0.0/8"), ReasonPrivate},
	{netip.MustParsePrefix("172.16.0.0/12"), ReasonPrivate},
	{netip.MustParsePrefix("192.168.0.0/16"), ReasonPrivate},
	{netip.MustParsePrefix("100.64.0.0/10"), ReasonShared},
	{netip.MustParsePrefix("192.0.0.0/24"), ReasonReserved},  // RFC 6890, 2.2.2: DS-Lite and its like
	{netip.MustParsePrefix("198.18.0.0/15"), ReasonReserved}, // RFC 2544: networks under test
	{netip.MustParsePrefix("240.0.0.0/4"), ReasonReserved},
	{netip.MustParsePrefix("fc00::/7"), ReasonUniqueLocal},
	{netip.MustParsePrefix("fec0::/10"), ReasonUniqueLocal}, // site-local, RFC 3879
}

var (
	zeroNet = netip.MustParsePrefix("0.0.0.0/8") // RFC 1122, 3.2.1.3: this host
	global  = netip.MustParsePrefix("2000::/3")  // all that IANA has given out
)

// forbidden judges an address by what nobody may allow; ReasonUnknown is
// none.
func forbidden(addr netip.Addr) Reason {
	switch {
	case !addr.IsValid():
		return ReasonInvalid
	case metadata[addr]:
		return ReasonMetadata
	case addr.IsUnspecified(), zeroNet.Contains(addr):
		return ReasonUnspecified
	case addr.IsLoopback():
		return ReasonLoopback
	case addr.IsLinkLocalUnicast():
		return ReasonLinkLocal
	case addr.IsMulticast(), addr == broadcast:
		return ReasonMulticast
	}
	return ReasonUnknown
}

// restricted judges an address by what has to be allowed; ReasonUnknown is
// none.
func restricted(addr netip.Addr) Reason {
	for _, c := range closed {
		if c.prefix.Contains(addr) {
			return c.reason
		}
	}
	if addr.Is6() && !global.Contains(addr) && !wellKnownNAT64.Contains(addr) && !localNAT64.Contains(addr) {
		return ReasonReserved
	}
	return ReasonUnknown
}
