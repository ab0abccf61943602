package scene

import "net/netip"

// Family is an IP version.
type Family uint8

// The two families; every part of the scene has both.
const (
	FamilyUnknown Family = iota
	V4
	V6
)

func (f Family) String() string {
	switch f {
	case V4:
		return "IPv4"
	case V6:
		return "IPv6"
	default:
		return "unknown"
	}
}

// Families are both, in the order of the tables.
var Families = []Family{V4, V6}

// Dual is one host's address in either family.
type Dual struct{ V4, V6 netip.Addr }

// NewDual parses both addresses, which are constants of the caller.
func NewDual(v4, v6 string) Dual {
	return Dual{V4: netip.MustParseAddr(v4), V6: netip.MustParseAddr(v6)}
}

// Of returns the address of the family, the zero Addr for an unknown one.
func (d Dual) Of(f Family) netip.Addr {
	switch f {
	case V4:
		return d.V4
	case V6:
		return d.V6
	default:
		return netip.Addr{}
	}
}

// Addresses of the scene. They exist inside its network namespaces only, so
// the public ones reach nobody.
var (
	// NodeAddress is the node's own.
	NodeAddress = NewDual("192.0.2.1", "fd00:77::1")
	// Authority answers for every outside name.
	Authority = NewDual("192.0.2.254", "fd00:77::fe")
	// ClusterDNS is the Service address of CoreDNS.
	ClusterDNS = NewDual("10.100.0.10", "fd00:10:100::a")
	// HastyDNS is a second CoreDNS that holds no answer back (hold 0).
	HastyDNS = NewDual("10.100.0.11", "fd00:10:100::b")
	// BackendService is the ClusterIP in front of pod backend.
	BackendService = NewDual("10.100.42.7", "fd00:10:100::4207")

	exampleCom = NewDual("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c")
	httpbinOrg = NewDual("34.227.213.82", "2600:1f18:22ba:8c00::b17")

	// gateway is each pod's next hop: the host side of its own interface.
	gateway = NewDual("169.254.1.1", "fe80::1")

	podNetworks = []netip.Prefix{
		netip.MustParsePrefix("10.88.0.0/24"),
		netip.MustParsePrefix("fd00:88::/64"),
	}
	// outsideNetworks are local to the outside namespace as a whole, so that
	// its one HTTP server is every address in them.
	outsideNetworks = []netip.Prefix{
		netip.PrefixFrom(exampleCom.V4, 32), netip.PrefixFrom(exampleCom.V6, 128),
		netip.PrefixFrom(httpbinOrg.V4, 32), netip.PrefixFrom(httpbinOrg.V6, 128),
		netip.MustParsePrefix("151.101.0.0/16"),
		netip.MustParsePrefix("2606:4700:10::/64"),
	}
)

// Ports of the scene.
const (
	dnsPort = 53
	// HTTPPort is where outside servers and the Service backend listen.
	HTTPPort = 80
	// BackendPort is where the pod behind the Service really listens.
	BackendPort = 8080
)

// Target is what a pod wants to reach: a name, and the address that it has, so
// that a pod to which DNS is closed can be seen trying all the same.
type Target struct {
	// Label is what the tables call it.
	Label string
	Name  string
	Known Dual
	Port  uint16
}

// The targets of the tables.
var (
	ExampleCom = Target{Label: "example.com:80", Name: "example.com", Known: exampleCom, Port: HTTPPort}
	HTTPBin    = Target{Label: "httpbin.org:80", Name: "httpbin.org", Known: httpbinOrg, Port: HTTPPort}
	Backend    = Target{Label: "backend Service", Name: backendName, Known: BackendService, Port: HTTPPort}
)

const backendName = "backend.app.svc.cluster.local"
