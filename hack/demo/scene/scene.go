// Package scene is one Kubernetes node, its pods and the world outside, built
// from network namespaces of this machine: addresses, routes, a Service, an
// authoritative DNS server, HTTP servers, and what the pods do. It knows no
// policy and nothing of nameward: what it reports is what any pod would see.
package scene

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Scene owns the network namespaces of one run and all that is in them.
type Scene struct {
	Pods Pods
	// Node is where the programs of the product run.
	Node *Netspace
	// Outside is the rest of the world.
	Outside *Outside

	networks  []netip.Prefix
	authority func(outside *Netspace) (stop func() error, err error)
	netspaces []*Netspace
	closers   []func() error
}

// Option changes the scene before it is built.
type Option func(*Scene)

// WithNetworks makes more networks outside answer, as the scene's own do. They
// must not hold the node's, the pods' or Services' addresses.
func WithNetworks(networks ...netip.Prefix) Option {
	return func(s *Scene) { s.networks = append(s.networks, networks...) }
}

// WithAuthority puts another DNS server in the place of the scene's. start is
// called once, has to listen on port 53 of the outside namespace, and returns
// what stops the server.
func WithAuthority(start func(outside *Netspace) (stop func() error, err error)) Option {
	return func(s *Scene) { s.authority = start }
}

const ifaNoDAD = unix.IFA_F_NODAD

// New builds the scene. prefix begins the name of each of its network
// namespaces and must be unique on the machine. After an error nothing is left.
func New(prefix string, options ...Option) (_ *Scene, err error) {
	s := &Scene{Pods: newPods(), networks: slices.Clone(outsideNetworks), authority: Zone(records).Serve}
	for _, option := range options {
		option(s)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.Node, err = s.netspace(prefix + "-node"); err != nil {
		return nil, err
	}
	if err := s.openWorld(prefix + "-outside"); err != nil {
		return nil, err
	}
	for _, pod := range s.Pods.All() {
		err := pod.Join(s.Node, NodeAddress, prefix+"-"+pod.Name)
		if pod.net != nil {
			s.netspaces = append(s.netspaces, pod.net)
		}
		if err != nil {
			return nil, err
		}
	}
	backend := Service{Address: BackendService, Backends: []Dual{s.Pods.Backend.Address}, Port: HTTPPort, BackendPort: BackendPort}
	if err := s.Node.Do(backend.Balance); err != nil {
		return nil, err
	}
	server, err := serveHTTP(s.Pods.Backend.net, BackendPort)
	if err != nil {
		return nil, fmt.Errorf("serve HTTP in pod backend: %w", err)
	}
	s.closers = append(s.closers, server.Close)
	return s, nil
}

// Close removes everything. Processes inside must have ended.
func (s *Scene) Close() error {
	var errs []error
	for _, stop := range s.closers {
		errs = append(errs, stop())
	}
	for _, n := range s.netspaces {
		errs = append(errs, n.Remove())
	}
	s.closers, s.netspaces = nil, nil
	return errors.Join(errs...)
}

func (s *Scene) netspace(name string) (*Netspace, error) {
	n, err := NewNetspace(name)
	if err == nil {
		s.netspaces = append(s.netspaces, n)
	}
	return n, err
}

// openWorld links the node to the outside and starts the servers there.
func (s *Scene) openWorld(name string) error {
	outside, err := s.netspace(name)
	if err != nil {
		return err
	}
	if err := connect(s.Node, "uplink", outside, "eth0"); err != nil {
		return fmt.Errorf("connect the node to the outside: %w", err)
	}
	if err := errors.Join(s.Node.Do(nodeRoutes), s.Node.Forward()); err != nil {
		return fmt.Errorf("route on the node: %w", err)
	}
	if err := errors.Join(outside.Do(outsideRoutes), outside.Own(s.networks...)); err != nil {
		return fmt.Errorf("route outside: %w", err)
	}
	if s.Outside, err = startOutside(outside, s.authority); err != nil {
		return err
	}
	s.closers = append(s.closers, s.Outside.stop)
	return nil
}

// nodeRoutes makes the node a router with the outside as its default route.
func nodeRoutes() error {
	link, err := netlink.LinkByName("uplink")
	if err != nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	for _, family := range Families {
		if err := addAddress(link, netip.PrefixFrom(NodeAddress.Of(family), linkBits(family))); err != nil {
			return err
		}
		route := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: Authority.Of(family).AsSlice()}
		if err := netlink.RouteAdd(route); err != nil {
			return fmt.Errorf("add default route: %w", err)
		}
		// Both CoreDNS listen on addresses of the Service range.
		for _, dns := range []Dual{ClusterDNS, HastyDNS} {
			if err := addAddress(lo, hostPrefix(dns.Of(family))); err != nil {
				return err
			}
		}
	}
	return nil
}

// outsideRoutes makes the pods reachable.
func outsideRoutes() error {
	link, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	for i, family := range Families {
		if err := addAddress(link, netip.PrefixFrom(Authority.Of(family), linkBits(family))); err != nil {
			return err
		}
		back := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(podNetworks[i]), Gw: NodeAddress.Of(family).AsSlice()}
		if err := netlink.RouteAdd(back); err != nil {
			return fmt.Errorf("add route to the pods: %w", err)
		}
	}
	return nil
}

// linkBits is the prefix length of the link between the node and the outside.
func linkBits(f Family) int {
	if f == V4 {
		return 24
	}
	return 64
}
