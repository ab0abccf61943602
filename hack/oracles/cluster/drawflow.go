package cluster

import (
	"math/rand/v2"
	"net/netip"

	corev1 "k8s.io/api/core/v1"

	"github.com/nameward/nameward/enforcer/policy"
)

// DrawFlow makes a flow of one of the cluster's pods, more often than not to
// where some rule speaks about it.
func DrawFlow(random *rand.Rand, c *Cluster) Flow {
	d := draw{random}
	subject := d.subject(c)
	f := Flow{
		Direction: pick(d, []policy.Direction{policy.Ingress, policy.Egress}),
		Pod:       PodName(subject),
		Address:   netip.MustParseAddr(pick(d, subject.Status.PodIPs).IP),
	}
	f.Peer = d.peerOf(c, f.Address.Is6())
	if d.once(20) {
		f.Peer = f.Address
	}
	_, to := f.Ends()
	f.Protocol, f.Port = d.destination(c.PodAt(to))
	return f
}

// subject has not finished, for then it would have no flows.
func (d draw) subject(c *Cluster) *corev1.Pod {
	var alive []*corev1.Pod
	for i := range c.Pods {
		if !finished(&c.Pods[i]) {
			alive = append(alive, &c.Pods[i])
		}
	}
	return pick(d, alive)
}

func (d draw) peerOf(c *Cluster, v6 bool) netip.Addr {
	var pool []netip.Addr
	switch kind := d.between(0, 9); {
	case kind < 6:
		for i := range c.Pods {
			pool = append(pool, addresses(&c.Pods[i], v6)...)
		}
	case kind == 6:
		for i := range c.Nodes {
			pool = append(pool, nodeAddresses(&c.Nodes[i], v6)...)
		}
	}
	if len(pool) == 0 {
		for _, text := range outside {
			if a := netip.MustParseAddr(text); a.Is6() == v6 {
				pool = append(pool, a)
			}
		}
	}
	return pick(d, pool)
}

func nodeAddresses(n *corev1.Node, v6 bool) []netip.Addr {
	var all []netip.Addr
	for _, address := range n.Status.Addresses {
		if a, err := netip.ParseAddr(address.Address); err == nil && a.Is6() == v6 {
			all = append(all, a)
		}
	}
	return all
}

// destination prefers the numbers of the ports that the pod has, now and then
// under another protocol.
func (d draw) destination(p *corev1.Pod) (corev1.Protocol, uint16) {
	if d.once(25) {
		return "ICMP", 0
	}
	protocol, number := pick(d, protocols), pick(d, numbers)
	if p != nil && !d.once(3) {
		if all := containerPorts(p); len(all) > 0 {
			port := pick(d, all)
			protocol, number = port.Protocol, port.ContainerPort
		}
	}
	switch {
	case d.once(8):
		protocol = pick(d, protocols)
	case d.once(8):
		number = pick(d, []int32{0, number - 1, number + 1, 65535})
	}
	return protocol, uint16(min(max(number, 0), 65535))
}
