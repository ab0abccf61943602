package convert

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/nameward/nameward/enforcer/policy"
)

// Endpoints is what an EndpointSlice says of the backends of a Service. It is
// immutable.
type Endpoints struct {
	Namespace, Name string
	// Service is the name of the Service that it belongs to, in its own
	// namespace; "" for a slice of another purpose.
	Service string

	backends []backend
	ports    []endpointPort
}

// Ready are the addresses to which connections may be sent, of all ports.
func (e *Endpoints) Ready() []netip.Addr {
	var all []netip.Addr
	for i := range e.backends {
		if e.backends[i].chosen {
			all = append(all, e.backends[i].addr)
		}
	}
	return all
}

// Pods are those that the slice says its endpoints are, with each address. Of endpoints that are something else, or of which nobody says what
// they are, there is none.
func (e *Endpoints) Pods() iter.Seq2[policy.EndpointID, netip.Addr] {
	return func(yield func(policy.EndpointID, netip.Addr) bool) {
		for i := range e.backends {
			if b := &e.backends[i]; b.pod != 0 && !yield(b.pod, b.addr) {
				return
			}
		}
	}
}

// Without gives the slice without the addresses of pods that gone says yes to:
// itself where there are none.
func (e *Endpoints) Without(gone func(policy.EndpointID, netip.Addr) bool) *Endpoints {
	is := func(b backend) bool { return b.pod != 0 && gone(b.pod, b.addr) }
	if !slices.ContainsFunc(e.backends, is) {
		return e
	}
	less := *e
	less.backends = slices.DeleteFunc(slices.Clone(e.backends), is)
	return &less
}

// backend is one address of an endpoint.
type backend struct {
	addr netip.Addr
	// pod is the one that the endpoint is, 0 where the slice names none.
	pod policy.EndpointID
	// node is "" where the slice does not say.
	node string
	// chosen says that a service proxy may send connections there.
	chosen bool
}

// endpointPort is zero in number where the slice names none.
type endpointPort struct {
	name     string
	protocol uint8
	number   uint16
}

// EndpointSlice reads an EndpointSlice, which it does not change. A field with
// a fault is left out. A slice of type FQDN has no addresses; kube-proxy
// disregards it too.
func EndpointSlice(o *discoveryv1.EndpointSlice) (*Endpoints, []Fault) {
	var told faults
	e := &Endpoints{Namespace: o.Namespace, Name: o.Name, Service: o.Labels[discoveryv1.LabelServiceName]}
	for i, p := range o.Ports {
		if port, ok := slicePort(fmt.Sprintf("ports[%d]", i), p, &told); ok {
			e.ports = append(e.ports, port)
		}
	}
	switch o.AddressType {
	case discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6:
	case discoveryv1.AddressTypeFQDN:
		return e, told
	default:
		told.tell("addressType", "%q is not a type of address; write IPv4 or IPv6", o.AddressType)
		return e, told
	}
	e.backends = make([]backend, 0, len(o.Endpoints)) // one address each, in most clusters
	for i := range o.Endpoints {
		e.backends = appendBackends(e.backends, i, o.AddressType, &o.Endpoints[i], &told)
	}
	return e, told
}

// appendBackends takes every address: kube-proxy uses the first alone, but no
// API says that other proxies do.
func appendBackends(all []backend, nth int, family discoveryv1.AddressType, o *discoveryv1.Endpoint, told *faults) []backend {
	b := backend{chosen: chosen(o.Conditions)}
	if o.NodeName != nil {
		b.node = *o.NodeName
	}
	if of := o.TargetRef; of != nil && of.Kind == "Pod" && of.UID != "" {
		b.pod = policy.EndpointOf(string(of.UID))
	}
	tell := func(i int, reason string, args ...any) {
		told.tell(fmt.Sprintf("endpoints[%d].addresses[%d]", nth, i), reason, args...)
	}
	for i, text := range o.Addresses {
		var err error
		switch b.addr, err = Address(text); {
		case err != nil:
			tell(i, "%s", err)
		case b.addr.Is4() != (family == discoveryv1.AddressTypeIPv4):
			tell(i, "%s is not an address of type %s; move it to a slice of its own type", text, family)
		default:
			all = append(all, b)
		}
	}
	return all
}

// chosen follows kube-proxy (CategorizeEndpoints): ready endpoints, and where
// none is ready those that terminate and still serve. The latter count at any
// time, since which of the two holds changes faster than a World. One that
// serves without being ready counts as well: a backend too many closes, one
// too few opens.
func chosen(c discoveryv1.EndpointConditions) bool {
	ready := c.Ready == nil || *c.Ready
	terminating := c.Terminating != nil && *c.Terminating
	switch {
	case c.Serving == nil:
		return ready || terminating
	default:
		return ready || *c.Serving
	}
}

func slicePort(field string, p discoveryv1.EndpointPort, told *faults) (endpointPort, bool) {
	var port endpointPort
	var protocol corev1.Protocol
	if p.Protocol != nil {
		protocol = *p.Protocol
	}
	number, err := Protocol(protocol)
	if err != nil {
		told.tell(field+".protocol", "%s", err)
		return port, false
	}
	port.protocol = number
	if p.Name != nil {
		port.name = *p.Name
	}
	if p.Port != nil {
		if port.number, err = portNumber(*p.Port); err != nil {
			told.tell(field+".port", "%s", err)
			return port, false
		}
	}
	return port, true
}
