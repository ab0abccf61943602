package scenario

import (
	"time"

	"github.com/miekg/dns"

	"github.com/nameward/nameward/hack/names/authority"
)

// once answers the first query only. Later ones see a server that has died.
func once(text string) func(place) authority.Script {
	return func(p place) authority.Script { return authority.Then(p.answers(text), authority.Silent()) }
}

// coreDNS are about plugins that make or change answers (N11), and about what
// stands between pod and plugin (N14).
var coreDNS = []Row{
	{ID: "N11", Says: "rewrite of one name: the client gets the addresses of another under it", Name: "renamed",
		More: map[string]string{"inside." + foreign: "@ 60 A {1}"}, Asks: []Ask{{Of: renaming}}, Grants: "{1}"},
	{ID: "N11", Says: "rewrite, answer auto, to a name that a rule has: what the client asked counts", Name: "www.public.example.",
		More: map[string]string{"www": "@ 60 A {1}"}, Asks: []Ask{{Of: renaming}}, Sees: "NOERROR {1}", Drops: "{1}"},
	{ID: "N4", Says: "rewrite of the question alone: the records have another owner", Name: "other.bent",
		More: map[string]string{"other." + foreign: "@ 60 A {1}"}, Asks: []Ask{{Of: bending}}, Sees: "NOERROR {1}", Drops: "{1}"},
	{ID: "N4", Says: "autopath answers the first name of the search path with the name itself", Name: "api.path.fault.example.crawl.svc.cluster.local.",
		More: map[string]string{"api.path": "@ 60 A {1}"}, Asks: []Ask{{Of: searching}}, Grants: "{1}"},
	{ID: "N4", Says: "autopath to a name that no rule has", Name: "api.path." + foreign + "crawl.svc.cluster.local.",
		More: map[string]string{"api.path." + foreign: "@ 60 A {1}"}, Asks: []Ask{{Of: searching}}, Sees: "NOERROR {1}", Drops: "{1}"},
	{ID: "N4", Says: "autopath to a name whose CNAME a rule has", Name: "cname.path." + foreign + "crawl.svc.cluster.local.",
		More: map[string]string{"cname.path." + foreign: "@ 60 CNAME target." + allowed + "\ntarget." + allowed + " 60 A {1}"},
		Asks: []Ask{{Of: searching}}, Sees: "NOERROR {1}", Drops: "{1}"},
	{ID: "N11", Says: "dns64 makes an IPv6 address of the IPv4 address", Name: "synthesised", Script: onlyIPv4("@ 60 A {1}"),
		Asks: []Ask{{Of: translating, Type: dns.TypeAAAA}}, Grants: "{nat64.1}", Drops: "{1}"},
	{ID: "N11", Says: "dns64 at the end of a chain", Name: "synthesised-chain",
		Script: onlyIPv4("@ 60 CNAME synthesised." + foreign + "\nsynthesised." + foreign + " 60 A {1}"),
		Asks:   []Ask{{Of: translating, Type: dns.TypeAAAA}}, Grants: "{nat64.1}", Drops: "{1}"},
	{ID: "N10", Says: "dns64 of a private address", Name: "synthesised-private", Script: onlyIPv4("@ 60 A 10.1.2.9"),
		Asks: []Ask{{Of: translating, Type: dns.TypeAAAA}}, Sees: "NOERROR 64:ff9b::a01:209", Drops: "64:ff9b::a01:209 10.1.2.9"},
	{ID: "N11", Says: "a stale answer (TTL 0) from a cache whose authority has died", Name: "stale", Script: once("@ 1 A {1}"),
		Warm: []Ask{{Of: lingering}}, Asks: []Ask{{Of: lingering, Pause: 1200 * time.Millisecond}}, Grants: "{1}", Life: shortest},
	{ID: "N11", Says: "hosts", Name: "listed", Asks: []Ask{{Of: listed}}, Grants: hostsAddress.String(), Life: 2*time.Minute + grace},
	{ID: "N11", Says: "hosts, IPv6", Name: "listed", Asks: []Ask{{Of: listed, Type: dns.TypeAAAA}}, Grants: hosts6.String()},
	{ID: "N10", Says: "hosts with the cloud's metadata", Name: "metadata", Asks: []Ask{{Of: listed}},
		Sees: "NOERROR 169.254.169.254", Never: "169.254.169.254"},
	{ID: "N11", Says: "file, a zone of CoreDNS's own", Name: "www.zoned", Asks: []Ask{{Of: zoned}}, Grants: zoneAddress.String(), Life: 5*time.Minute + grace},
	{ID: "N4", Says: "file, whose CNAME leads outside", Name: "out.zoned", Asks: []Ask{{Of: zoned}},
		More: map[string]string{"zone-target." + foreign: "@ 60 A {1}"}, Grants: "{1}", Life: shortest + 30*time.Second},
	{ID: "N11", Says: "template", Name: "made", Asks: []Ask{{Of: made}}, Grants: madeAddress.String(), Life: 77*time.Second + grace},
	{ID: "N14", Says: "a node-local cache of our build learns for the pod", Name: "beside",
		Serves: "@ 60 A {1}", Asks: []Ask{{Of: beside}}, Grants: "{1}", Life: shortest},
	{ID: "N14", Says: "what the node-local cache gets from our CoreDNS behind it is learnt whole", Name: "beside-many",
		Serves: "@ 60 A {1..300}", Asks: []Ask{{Of: beside, By: tcp}}, Grants: "{1..300}"},
	{ID: "N14", Says: "a cache of another build hides the pod: closed and counted", Name: "hidden",
		Serves: "@ 60 A {1}", Asks: []Ask{{Of: hiding}}, Sees: "NOERROR {1}", Drops: "{1}", Counts: []string{`coredns_nameward_identity_lost_total{server="dns://10.100.53.1:53"`}},
}

// onlyIPv4 has records for A alone.
func onlyIPv4(text string) func(place) authority.Script {
	return func(p place) authority.Script {
		return authority.ByType(map[uint16]authority.Script{dns.TypeA: p.answers(text)})
	}
}
