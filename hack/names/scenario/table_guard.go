package scenario

import (
	"github.com/miekg/dns"
)

// refused is a row of the rebinding guard (N10): the name has this address
// beside a good one, which is granted.
func refused(says, name, addr, reason string) Row {
	row := Row{ID: "N10", Says: says + " is refused, the public address beside it granted", Name: name,
		Serves: "@ 60 A {1}\n@ 60 A " + addr, Sees: "NOERROR {1} " + addr,
		Grants: "{1}", Drops: addr, Counts: []string{`nameward_grants_refused_total{reason="` + reason + `"}`}}
	return row
}

func refused6(says, name, addr, reason string) Row {
	row := refused(says, name, addr, reason)
	row.Serves, row.Sees, row.Grants = "@ 60 AAAA {6.1}\n@ 60 AAAA "+addr, "NOERROR {6.1} "+addr, "{6.1}"
	row.Asks = askAAAA
	return row
}

// staying marks a row whose guarded address no pod can send a SYN to.
func staying(row Row) Row {
	row.Never, row.Drops = row.Drops, ""
	return row
}

// guarded are about answers that lead where no name should (N10).
var guarded = []Row{
	staying(refused("loopback", "loopback", "127.0.0.1", "loopback")),
	staying(refused6("loopback, IPv6", "loopback-6", "::1", "loopback")),
	staying(refused("the unspecified address", "unspecified", "0.0.0.0", "unspecified")),
	staying(refused("an address of 0.0.0.0/8", "this-network", "0.1.2.3", "unspecified")),
	staying(refused("multicast", "multicast", "224.0.0.251", "multicast")),
	staying(refused6("multicast, IPv6", "multicast-6", "ff02::1", "multicast")),
	staying(refused("broadcast", "broadcast", "255.255.255.255", "multicast")),
	staying(refused6("link-local, IPv6", "link-local-6", "fe80::7", "link_local")),
	refused("the cloud's metadata", "metadata-4", "169.254.169.254", "metadata"),
	refused6("the cloud's metadata, IPv6", "metadata-6", "fd00:ec2::254", "metadata"),
	refused("the node", "node", "192.0.2.1", "node"),
	refused6("the node, IPv6", "node-6", "fd00:77::1", "node"),
	refused("another pod", "pod", "10.88.0.11", "pod"),
	refused6("another pod, IPv6", "pod-6", "fd00:88::11", "pod"),
	refused("a Service", "service", "10.100.42.7", "service"),
	refused6("a Service, IPv6", "service-6", "fd00:10:100::4207", "service"),
	refused("RFC 1918, 10/8", "private-10", "10.1.2.3", "private"),
	refused("RFC 1918, 172.16/12", "private-172", "172.16.9.3", "private"),
	refused("RFC 1918, 192.168/16", "private-192", "192.168.7.3", "private"),
	refused("RFC 6598", "shared", "100.64.3.3", "shared"),
	refused6("a unique local address", "unique-local", "fd12::3", "unique_local"),
	refused6("metadata behind NAT64", "nat64-metadata", "64:ff9b::a9fe:a9fe", "metadata"),
	refused6("RFC 1918 behind NAT64", "nat64-private", "64:ff9b::a01:204", "private"),
	refused6("RFC 1918 behind a NAT64 prefix of somebody's own (RFC 8215)", "nat64-local", "64:ff9b:1::a01:205", "private"),
	refused6("metadata behind 6to4", "6to4-metadata", "2002:a9fe:a9fe::1", "metadata"),
	refused6("the node behind 6to4", "6to4-node", "2002:c000:201::1", "node"),
	refused6("RFC 1918 behind Teredo, whose bits are inverted", "teredo-private", "2001:0:1234::f5fe:fdf9", "private"),
	{ID: "N10", Says: "metadata as an IPv4-mapped address is refused", Name: "mapped-metadata",
		Serves: "@ 60 AAAA ::ffff:169.254.169.254", Asks: askAAAA, Sees: "NOERROR ::ffff:169.254.169.254", Never: "169.254.169.254"},
	{ID: "N10", Says: "RFC 1918 as an IPv4-mapped address is refused", Name: "mapped-private",
		Serves: "@ 60 AAAA ::ffff:10.1.2.6", Asks: askAAAA, Sees: "NOERROR ::ffff:10.1.2.6", Drops: "10.1.2.6"},
	{ID: "N10", Says: "a public IPv4-mapped address is granted as IPv4, which its packets are", Name: "mapped-public",
		Serves: "@ 60 AAAA {mapped.1}", Asks: askAAAA, Grants: "{mapped.1}"},
	{ID: "N10", Says: "a public address behind NAT64 is granted", Name: "nat64-public",
		Serves: "@ 60 AAAA {nat64.1}", Asks: askAAAA, Grants: "{nat64.1}"},
	{ID: "N10", Says: "a public address behind 6to4 is granted", Name: "6to4-public",
		Serves: "@ 60 AAAA {6to4.1}", Asks: askAAAA, Grants: "{6to4.1}"},
}

// questions are about what is asked, and by whom.
var questions = []Row{
	{ID: "N1", Says: "a name that a rule has in full", Name: "one.exact.example.",
		Serves: "@ 60 A {1}", Grants: "{1}"},
	{ID: "N1", Says: "a name below one that a rule has in full", Name: "below.one.exact.example.",
		Serves: "@ 60 A {1}", Sees: "NOERROR {1}", Drops: "{1}"},
	{ID: "N1", Says: "the apex of a wildcard does not match it", Name: allowed,
		Serves: "@ 60 A {1}", Sees: "NOERROR {1}", Drops: "{1}"},
	{ID: "N1", Says: "a wildcard covers names many labels below", Name: "a.b.c.d.deep",
		Serves: "@ 60 A {1}", Grants: "{1}"},
	{ID: "N1", Says: "a domain that ends alike is another domain", Name: "evilfault.example.",
		Serves: "@ 60 A {1}", Sees: "NOERROR {1}", Drops: "{1}"},
	{ID: "N1", Says: "a dot inside a label ends no label", Name: `evil\.fault.example.`,
		Serves: "@ 60 A {1}", Sees: "NOERROR {1}", Drops: "{1}"},
	{ID: "N9", Says: "a name that no rule has is answered as ever, and closed", Name: "www." + foreign,
		Serves: "@ 60 A {1}", Sees: "NOERROR {1}", Drops: "{1}"},
	{ID: "N11", Says: "ANY, with both families", Name: "any", Asks: []Ask{{Type: dns.TypeANY}},
		Serves: "@ 60 A {1}\n@ 60 AAAA {6.1}\n@ 60 TXT text", Grants: "{1} {6.1}"},
	{ID: "N18", Says: "TXT, answered with an address", Name: "txt", Asks: []Ask{{Type: dns.TypeTXT}},
		Serves: "@ 60 TXT text\n@ 60 A {1}", Sees: "NOERROR {1}", Drops: "{1}"},
	{ID: "N11", Says: "asked over TCP", Name: "tcp", Asks: overTCP, Serves: "@ 60 A {1}", Grants: "{1}"},
	{ID: "N11", Says: "asked over TLS", Name: "dot", Asks: []Ask{{By: dot}}, Serves: "@ 60 A {1}", Grants: "{1}"},
	{ID: "N11", Says: "asked over HTTPS", Name: "doh", Asks: []Ask{{By: doh}}, Serves: "@ 60 A {1}", Grants: "{1}"},
	{ID: "N11", Says: "answered from the cache, which another pod has filled", Name: "cached", Warm: []Ask{{}},
		Script: once("@ 60 A {1}"), Grants: "{1}"},
}
