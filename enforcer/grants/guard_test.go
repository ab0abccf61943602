package grants

import (
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, s := range texts {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// cluster is what the tests' cluster uses.
func cluster(a netip.Addr) (Reason, bool) {
	switch a {
	case addr("203.0.113.1"), addr("10.0.0.1"), addr("2001:db8::1"):
		return ReasonNode, true
	case addr("203.0.113.2"), addr("10.1.0.2"):
		return ReasonPod, true
	case addr("203.0.113.3"), addr("10.2.0.3"):
		return ReasonService, true
	}
	return ReasonUnknown, false
}

// N10.
func TestGuard(t *testing.T) {
	strict := Guard{Occupied: cluster}
	lax := Guard{Occupied: cluster, Allowed: prefixes("0.0.0.0/0", "::/0")}
	inside := Guard{Occupied: cluster, InCluster: true}
	for _, row := range []struct {
		sentence string
		guard    Guard
		addr     string
		want     Reason
	}{
		{"a public address passes", strict, "198.51.100.7", ReasonUnknown},
		{"a public IPv6 address passes", strict, "2001:db8::7", ReasonUnknown},
		{"loopback", lax, "127.0.0.1", ReasonLoopback},
		{"all of loopback", lax, "127.9.9.9", ReasonLoopback},
		{"IPv6 loopback", lax, "::1", ReasonLoopback},
		{"link-local", lax, "169.254.1.1", ReasonLinkLocal},
		{"IPv6 link-local", lax, "fe80::1", ReasonLinkLocal},
		{"a zone changes nothing", lax, "fe80::1%eth0", ReasonLinkLocal},
		{"metadata over IPv4", lax, "169.254.169.254", ReasonMetadata},
		{"metadata over IPv6, though ULA is allowed", lax, "fd00:ec2::254", ReasonMetadata},
		{"metadata in shared space, though it is allowed", lax, "100.100.100.200", ReasonMetadata},
		{"metadata outside of all private space", lax, "168.63.129.16", ReasonMetadata},
		{"metadata of a pod's role", lax, "169.254.170.23", ReasonMetadata},
		{"metadata over IPv6 of a third cloud", lax, "fd00:42::42", ReasonMetadata},
		{"multicast", lax, "224.0.0.251", ReasonMulticast},
		{"IPv6 multicast", lax, "ff02::fb", ReasonMulticast},
		{"broadcast", lax, "255.255.255.255", ReasonMulticast},
		{"unspecified", lax, "0.0.0.0", ReasonUnspecified},
		{"the zero network", lax, "0.1.2.3", ReasonUnspecified},
		{"IPv6 unspecified", lax, "::", ReasonUnspecified},
		{"a node", lax, "10.0.0.1", ReasonNode},
		{"a node with a public address", lax, "203.0.113.1", ReasonNode},
		{"an IPv6 node", lax, "2001:db8::1", ReasonNode},
		{"a pod", lax, "10.1.0.2", ReasonPod},
		{"a Service", lax, "10.2.0.3", ReasonService},
		{"a node, though cluster names are allowed", inside, "10.0.0.1", ReasonNode},
		{"a pod passes where cluster names are allowed", inside, "10.1.0.2", ReasonUnknown},
		{"a Service passes where cluster names are allowed", inside, "10.2.0.3", ReasonUnknown},
		{"ten", strict, "10.9.9.9", ReasonPrivate},
		{"the end of 172.16/12", strict, "172.31.255.255", ReasonPrivate},
		{"beyond 172.16/12 passes", strict, "172.32.0.0", ReasonUnknown},
		{"192.168", strict, "192.168.1.1", ReasonPrivate},
		{"carrier-grade NAT", strict, "100.127.255.255", ReasonShared},
		{"unique local", strict, "fd12::1", ReasonUniqueLocal},
		{"site-local", strict, "fec0::1", ReasonUniqueLocal},
		{"reserved", strict, "240.0.0.1", ReasonReserved},
		{"IPv6 that nobody was given", strict, "4000::1", ReasonReserved},
		{"an IPv4-compatible address", strict, "::198.51.100.7", ReasonReserved},
		{"private passes where allowed", lax, "10.9.9.9", ReasonUnknown},
		{"unique local passes where allowed", lax, "fd12::1", ReasonUnknown},
		{"allowed ranges end where they end", Guard{Allowed: prefixes("10.9.0.0/16")}, "10.10.0.1", ReasonPrivate},
		{"mapped private", strict, "::ffff:10.9.9.9", ReasonPrivate},
		{"mapped private passes where allowed", Guard{Allowed: prefixes("10.0.0.0/8")}, "::ffff:10.9.9.9", ReasonUnknown},
		{"mapped metadata", lax, "::ffff:169.254.169.254", ReasonMetadata},
		{"NAT64 of a public address passes", strict, "64:ff9b::198.51.100.7", ReasonUnknown},
		{"NAT64 of loopback", lax, "64:ff9b::127.0.0.1", ReasonLoopback},
		{"NAT64 of metadata", lax, "64:ff9b::a9fe:a9fe", ReasonMetadata},
		{"NAT64 of a node", lax, "64:ff9b::10.0.0.1", ReasonNode},
		{"NAT64 of private", strict, "64:ff9b::10.9.9.9", ReasonPrivate},
		{"NAT64 of private passes where allowed", lax, "64:ff9b::10.9.9.9", ReasonUnknown},
		{"local NAT64 of a public address passes", strict, "64:ff9b:1::198.51.100.7", ReasonUnknown},
		{"local NAT64 of metadata", lax, "64:ff9b:1::169.254.169.254", ReasonMetadata},
		{"local NAT64 /48 of 169.254.169.254", lax, "64:ff9b:1:a9fe:a9:fe00::", ReasonMetadata},
		{"local NAT64 /48 with something behind", lax, "64:ff9b:1:a9fe:a9:fe00:c633:6407", ReasonMetadata},
		{"local NAT64 /56 of 127.0.0.1", lax, "64:ff9b:1:7f:0:100::", ReasonLoopback},
		{"local NAT64 /64 of 10.9.9.9", strict, "64:ff9b:1:0:a:909:900::", ReasonPrivate},
		{"local NAT64 /48 of a public address passes", strict, "64:ff9b:1:c633:64:700::", ReasonUnknown},
		{"local NAT64 /64 of a public address passes", strict, "64:ff9b:1:0:c6:3364:700::", ReasonUnknown},
		{"local NAT64 of nothing", lax, "64:ff9b:1::", ReasonUnspecified},
		{"a declared prefix has one layout", Guard{NAT64: prefixes("64:ff9b:1:a9fe::/96")}, "64:ff9b:1:a9fe::198.51.100.7", ReasonUnknown},
		{"a declared prefix may be unique local", Guard{NAT64: prefixes("fd64::/96")}, "fd64::198.51.100.7", ReasonUnknown},
		{"a declared prefix is unwrapped", Guard{NAT64: prefixes("2001:db8:64::/48")}, "2001:db8:64:a9fe:a9:fe00::", ReasonMetadata},
		{"a prefix of no layout declares nothing", Guard{NAT64: prefixes("fd64::/95")}, "fd64::198.51.100.7", ReasonUniqueLocal},
		{"6to4 of a public address passes", strict, "2002:c633:6407::1", ReasonUnknown},
		{"6to4 of metadata", lax, "2002:a9fe:a9fe::1", ReasonMetadata},
		{"6to4 of private", strict, "2002:a09:909::1", ReasonPrivate},
		{"6to4 of a node", lax, "2002:a00:1::1", ReasonNode},
		{"protocol assignments", strict, "192.0.0.8", ReasonReserved},
		{"networks under test", strict, "198.19.0.1", ReasonReserved},
		{"Teredo by way of a private server", strict, "2001:0:a09:909::39cc:9bf8", ReasonPrivate},
		{"ISATAP of metadata", lax, "2001:db8::5efe:169.254.169.254", ReasonMetadata},
		{"ISATAP of a node, with the universal bit", lax, "2001:db8::200:5efe:10.0.0.1", ReasonNode},
		{"ISATAP of private behind 6to4", strict, "2002:c633:6407:1:0:5efe:a09:909", ReasonPrivate},
		{"ISATAP of a public address passes", strict, "2001:db8::5efe:198.51.100.7", ReasonUnknown},
		{"Teredo of private", strict, "2001:0:c633:6407::f5f6:f6f6", ReasonPrivate},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			got, refused := row.guard.Check(addr(row.addr))
			if got.Reason != row.want || refused != (row.want != ReasonUnknown) {
				t.Errorf("Check(%s): got %s (refused %v), want %s", row.addr, got.Reason, refused, row.want)
			}
		})
	}
}

func TestGuardRefusesNoAddress(t *testing.T) {
	if got, refused := (Guard{}).Check(netip.Addr{}); !refused || got.Reason != ReasonInvalid {
		t.Errorf("got %v, %v, want %s", got.Reason, refused, ReasonInvalid)
	}
}

func TestRefusalSpeaks(t *testing.T) {
	for _, row := range []struct{ sentence, addr, want string }{
		{"of the address", "127.0.0.1", "127.0.0.1 is a loopback address"},
		{"of the address inside", "64:ff9b::a9fe:a9fe", "64:ff9b::a9fe:a9fe stands for 169.254.169.254, a cloud metadata address"},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			refusal, _ := Guard{}.Check(addr(row.addr))
			if got := refusal.String(); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

// N10: no wrapping gets an address past the guard that it refuses by itself,
// under any settings and with any ranges that a policy allows; and none that
// routers are known to use costs a public address.
func TestGuardUnwraps(t *testing.T) {
	// Half of the addresses are in ranges that somebody is refused.
	odd := []netip.Addr{
		addr("127.0.0.1"), addr("169.254.169.254"), addr("100.100.100.200"), addr("168.63.129.16"), addr("224.0.0.1"), addr("0.0.0.0"),
		addr("255.255.255.255"), addr("203.0.113.1"), addr("203.0.113.2"), addr("203.0.113.3"), addr("10.9.9.9"), addr("192.168.0.1"), addr("100.64.0.1"),
	}
	anywhere := rapid.Custom(func(t *rapid.T) netip.Addr {
		return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "v4")))
	})
	rapid.Check(t, func(t *rapid.T) {
		v4 := rapid.OneOf(rapid.SampledFrom(odd), anywhere).Draw(t, "address")
		noise := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "noise")
		bits := rapid.SampledFrom([]int{32, 40, 48, 56, 64, 96}).Draw(t, "bits")
		guard := Guard{Occupied: cluster, InCluster: rapid.Bool().Draw(t, "in cluster"), Allowed: rapid.SampledFrom(modelRanges).Draw(t, "allowed")}
		private := rapid.SampledFrom(modelRanges).Draw(t, "private")
		refusal, refused := guard.check(v4, private)
		for name, wrapped := range wrap(v4, bits, noise) {
			guard := guard
			if name == "declared" {
				guard.NAT64 = []netip.Prefix{netip.PrefixFrom(wrapped, bits).Masked()}
			}
			got, also := guard.check(wrapped, private)
			if refused && !also && !(name == "local" && zeroNet.Contains(v4)) {
				t.Fatalf("%s %s: got through, though %s", name, wrapped, refusal)
			}
			if !refused && also && (name == "well-known" || name == "declared" || name == "6to4") && !isatap(wrapped) {
				t.Fatalf("%s %s: got %s, though %s is public", name, wrapped, got, v4)
			}
		}
	})
}

// wrap writes v4 into IPv6 in several ways; noise goes where routers ignore
// what is there.
func wrap(v4 netip.Addr, bits int, noise []byte) map[string]netip.Addr {
	put := func(prefix string, l layout) netip.Addr {
		b := [16]byte(noise)
		p := netip.MustParsePrefix(prefix)
		from := p.Addr().As16()
		copy(b[:(p.Bits()+7)/8], from[:])
		for i, at := range l {
			b[at] = v4.As4()[i]
		}
		return netip.AddrFrom16(b)
	}
	out := map[string]netip.Addr{
		"mapped":     netip.AddrFrom16(v4.As16()),
		"well-known": put("64:ff9b::/96", layouts[96]),
		"6to4":       put("2002::/16", layout{2, 3, 4, 5}),
		"declared":   put("2001:db8::/32", layouts[bits]),
		"SIIT":       put("::ffff:0:0:0/96", layouts[96]),
		"compatible": put("::/96", layouts[96]),
		"ISATAP":     put("2001:db8::/32", layouts[96]),
		"server":     put("2001::/32", layouts[32]),
		"client":     put("2001::/32", layouts[96]),
	}
	identifier := out["ISATAP"].As16()
	copy(identifier[8:], []byte{noise[8] & 3, 0, 0x5e, 0xfe})
	out["ISATAP"] = netip.AddrFrom16(identifier)
	inverted := out["client"].As16()
	for i := 12; i < 16; i++ {
		inverted[i] = ^inverted[i]
	}
	out["client"] = netip.AddrFrom16(inverted)
	if bits >= 48 {
		out["local"] = put("64:ff9b:1::/48", layouts[bits])
	}
	return out
}

func TestReasonsHaveWords(t *testing.T) {
	seen := make(map[string]bool)
	for _, r := range Reasons() {
		if r.String() == "" || r.Text() == "" || seen[r.String()] || strings.ContainsAny(r.String(), " -") {
			t.Errorf("reason %d: label %q, text %q", r, r, r.Text())
		}
		seen[r.String()] = true
	}
	if got := Reason(200).String(); got != "unknown" {
		t.Errorf("a reason that is none: got %q", got)
	}
}
