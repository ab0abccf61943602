package fleet

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/nameward/nameward/hack/demo/scene"
)

// How many there are of each.
const (
	Nodes    = 3
	Replicas = 3
	// Askers resolve and connect. A name's number says whose it is, so that
	// anybody can tell a stranger's connection by its destination alone.
	Askers = 50
	// bystanders are isolated pods of which no policy names a fresh name.
	bystanders = Nodes
)

// zone has a name for each number, and each name addresses of its own.
const zone = "fresh.example.net"

// Numbers is how many fresh names there are: their addresses' low 24 bits.
const Numbers = 1 << 24

// Ports of the fleet.
const (
	dnsPort    = 53
	doorPort   = 80
	streamPort = 7353
)

// Addresses exist inside the fleet's network namespaces only, so that the
// public ones reach nobody.
var (
	// authority is the outside's own address, and everybody's next hop.
	authority = scene.NewDual("192.0.2.254", "fd00:77::fe")
	// service is the cluster DNS address, in front of the replicas.
	service = scene.NewDual("10.100.0.10", "fd00:10:100::a")

	doors4 = netip.MustParsePrefix("45.0.0.0/8")
	doors6 = netip.MustParsePrefix("2606:4700:20::/104")
)

// Name is the fresh name of the number.
func Name(number uint32) string { return fmt.Sprintf("n%d.%s", number, zone) }

// Address is where the name of the number leads.
func Address(number uint32) scene.Dual {
	v4, v6 := doors4.Addr().As4(), doors6.Addr().As16()
	low := binary.BigEndian.AppendUint32(nil, number%Numbers)[1:]
	copy(v4[1:], low)
	copy(v6[13:], low)
	return scene.Dual{V4: netip.AddrFrom4(v4), V6: netip.AddrFrom16(v6)}
}

// Owner is the asker whose name has the number.
func Owner(number uint32) int { return int(number % Askers) }

// numberOf reads a name of the zone, in any case, without a final dot.
func numberOf(name string) (uint32, bool) {
	label, rest, _ := strings.Cut(strings.ToLower(name), ".")
	if rest != zone || !strings.HasPrefix(label, "n") {
		return 0, false
	}
	n, err := strconv.ParseUint(label[1:], 10, 32)
	return uint32(n), err == nil && n < Numbers
}

// nameTTL is in seconds: long enough for a leak to be tried while it lives.
const nameTTL = 60

// lookup knows every fresh name.
func lookup(name string) (scene.Dual, uint32, bool) {
	number, known := numberOf(name)
	return Address(number), nameTTL, known
}

// numberAt is the number whose address it is.
func numberAt(a netip.Addr) (uint32, bool) {
	a = a.Unmap()
	if !doors4.Contains(a) && !doors6.Contains(a) {
		return 0, false
	}
	bytes := a.AsSlice()
	return binary.BigEndian.Uint32(bytes[len(bytes)-4:]) % Numbers, true
}

func nodeName(i int) string { return fmt.Sprintf("node-%c", 'a'+i) }

func nodeAddress(i int) scene.Dual {
	return scene.NewDual(fmt.Sprintf("192.0.2.%d", 1+i), fmt.Sprintf("fd00:77::%d", 1+i))
}

// podNetworks are those of the node's pods.
func podNetworks(node int) []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix(fmt.Sprintf("10.88.%d.0/24", node)),
		netip.MustParsePrefix(fmt.Sprintf("fd00:88:0:%d::/64", node)),
	}
}

// podAddress is that of the pod with the place on the node, from 0.
func podAddress(node, place int) scene.Dual {
	return scene.NewDual(fmt.Sprintf("10.88.%d.%d", node, 10+place), fmt.Sprintf("fd00:88:0:%d::%x", node, 10+place))
}

// replicaAddresses are of those behind the cluster DNS address.
func replicaAddresses() (all []scene.Dual) {
	for i := range Replicas {
		all = append(all, replicaAddress(i))
	}
	return all
}

func replicaAddress(i int) scene.Dual {
	return scene.NewDual(fmt.Sprintf("10.100.1.%d", 1+i), fmt.Sprintf("fd00:10:100:1::%d", 1+i))
}
