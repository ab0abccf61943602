package main

import (
	"net"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// newRunningNode is a node with the pod and the world, default Allow and no
// policy, and the enforcer at work on it.
func newRunningNode(t *testing.T) *scene {
	t.Helper()
	s := newScene(t)
	s.up("lo", "127.0.0.3/8")
	s.pod = s.attach(podLink, "10.0.0.254/24", "10.0.0.1/24")
	world := s.attach(worldLink, "198.51.100.1/24", "198.51.100.10/24")
	s.echo(world, webHTTP)
	s.put("cluster.yaml", clusterManifest)
	s.put("settings.yaml", defaultOf("Allow"))
	s.serveDNS()
	s.start()
	s.bothFamilies(world)
	return s
}

func defaultOf(verdict string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: nameward}\ndata: {default: " + verdict + "}\n"
}

const web6HTTP = "[2001:db8:1::10]:80"

// bothFamilies gives everybody an IPv6 address as well.
func (s *scene) bothFamilies(world netns.NsHandle) {
	s.tb.Helper()
	check(s.tb, os.WriteFile("/proc/sys/net/ipv6/conf/all/forwarding", []byte("1"), 0))
	s.address6(podLink, "fd00::fe/64")
	s.address6(worldLink, "2001:db8:1::1/64")
	for _, end := range []struct {
		ns            netns.NsHandle
		cidr, gateway string
	}{{s.pod, "fd00::1/64", "fd00::fe"}, {world, "2001:db8:1::10/64", "2001:db8:1::1"}} {
		s.inside(end.ns, func() {
			s.address6("eth0", end.cidr)
			check(s.tb, netlink.RouteAdd(&netlink.Route{Gw: net.ParseIP(end.gateway)}))
		})
	}
	s.echo(world, web6HTTP)
}

// address6 adds an address without waiting for its duplicates.
func (s *scene) address6(link, cidr string) {
	s.tb.Helper()
	a := must(netlink.ParseAddr(cidr))
	a.Flags = unix.IFA_F_NODAD
	check(s.tb, netlink.AddrAdd(must(netlink.LinkByName(link)), a))
}

// awaitDial waits until new connections go, or go no more.
func (s *scene) awaitDial(when, addr string, open bool) {
	s.tb.Helper()
	s.await(when, func() bool {
		_, err := s.dial(addr, blocked)
		return (err == nil) == open
	})
}

// wantCut: what is no longer allowed does not go on.
func (s *scene) wantCut(when string, conn net.Conn) {
	s.tb.Helper()
	if conn != nil && alive(conn) {
		s.tb.Errorf("%s: got the established connection alive, want it cut", when)
	}
}

// P7: the node default is changed for running pods of a running node, both
// ways, for new and for established connections, and the node's own word comes
// before the cluster's. (That it takes less than a second, the demo shows.)
func TestDefaultOfARunningNode(t *testing.T) {
	s := newRunningNode(t)
	conn := s.wantDial("under Allow", webHTTP, true)
	s.put("settings.yaml", defaultOf("Deny"))
	s.awaitDial("Deny is in force", webHTTP, false)
	s.wantDial("under Deny, by IPv6", web6HTTP, false)
	s.wantCut("under Deny", conn)
	s.put("settings.yaml", defaultOf("Allow"))
	s.awaitDial("Allow is in force", webHTTP, true)
	s.wantDial("under Allow, by IPv6", web6HTTP, true)

	node := "apiVersion: v1\nkind: Node\nmetadata: {name: NAME, annotations: {nameward.io/default: deny}}\n"
	s.put("node.yaml", strings.Replace(node, "NAME", "node-1", 1))
	s.awaitDial("the node's own Deny is in force", webHTTP, false)
	s.put("node.yaml", strings.Replace(node, "NAME", "node-2", 1))
	s.awaitDial("another node's Deny is no business of this one", webHTTP, true)
}

const backendsManifest = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: backends, namespace: app}
spec: {podSelector: {matchLabels: {role: backend}}, policyTypes: [Egress]}
`

// P12, P16, P21: what becomes of a running pod takes effect at once: its labels,
// another pod in its place, and its end.
func TestChangesOfARunningPod(t *testing.T) {
	s := newRunningNode(t)
	s.put("backends.yaml", backendsManifest)
	labelled := func(role string) string {
		return strings.Replace(clusterManifest, "name: client\n", "name: client\n  labels: {role: "+role+"}\n", 1)
	}
	conn := s.wantDial("not selected", webHTTP, true)
	s.put("cluster.yaml", labelled("backend"))
	s.awaitDial("the label is seen", webHTTP, false)
	s.wantCut("selected", conn)
	s.put("cluster.yaml", labelled("frontend"))
	s.awaitDial("another label is seen", webHTTP, true)

	successor := strings.Replace(labelled("backend"), "client-uid", "successor-uid", 1)
	conn = s.wantDial("before the successor", webHTTP, true)
	s.put("cluster.yaml", successor)
	s.awaitDial("the successor is policed", webHTTP, false)
	s.wantCut("the successor", conn)
	s.put("cluster.yaml", strings.Replace(successor, "phase: Running", "phase: Succeeded", 1))
	s.awaitDial("a pod that has finished is none", webHTTP, true)
	s.await("it is no endpoint", func() bool { return strings.Contains(s.page("/metrics"), "nameward_endpoints 0\n") })
}

const familyManifest = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: family, namespace: app}
spec: {podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: "CIDR"}}]}]}
`

// P20: a pod with both families is policed in both at the same time, whichever
// its policy speaks of.
func TestBothFamilies(t *testing.T) {
	s := newRunningNode(t)
	dual := strings.Replace(clusterManifest, "podIPs: [{ip: 10.0.0.1}]", "podIPs: [{ip: 10.0.0.1}, {ip: \"fd00::1\"}]", 1)
	s.put("cluster.yaml", dual)
	s.put("family.yaml", strings.Replace(familyManifest, "CIDR", "198.51.100.0/24", 1))
	s.awaitDial("IPv4 alone is allowed", web6HTTP, false)
	s.wantDial("IPv4 alone is allowed", webHTTP, true)
	s.put("family.yaml", strings.Replace(familyManifest, "CIDR", "2001:db8:1::/64", 1))
	s.awaitDial("IPv6 alone is allowed", webHTTP, false)
	s.wantDial("IPv6 alone is allowed", web6HTTP, true)
}
