package convert

import (
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// Endpoints is what an EndpointSlice says of the backends of a Service. It is
// immutable.
type Endpoints struct {
	Namespace, Name string
	// Service is the name of the Service that it belongs to, in its own
	// namespace; "" for a slice of another purpose.
	Service string

	endpoints []endpoint
	ports     []endpointPort
}

// Ready are the addresses to which connections may be sent, of all ports.
func (e *Endpoints) Ready() []netip.Addr {
	var all []netip.Addr
	for i := range e.endpoints {
		if e.endpoints[i].chosen {
			all = append(all, e.endpoints[i].addresses...)
		}
	}
	return all
}

type endpoint struct {
	addresses []netip.Addr
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
	for i := range o.Endpoints {
		field := fmt.Sprintf("endpoints[%d]", i)
		e.endpoints = append(e.endpoints, sliceEndpoint(field, o.AddressType, &o.Endpoints[i], &told))
	}
	return e, told
}

// sliceEndpoint takes every address: kube-proxy uses the first alone, but no
// API says that other proxies do.
func sliceEndpoint(field string, family discoveryv1.AddressType, o *discoveryv1.Endpoint, told *faults) endpoint {
	e := endpoint{chosen: chosen(o.Conditions)}
	if o.NodeName != nil {
		e.node = *o.NodeName
	}
	for i, text := range o.Addresses {
		at := fmt.Sprintf("%s.addresses[%d]", field, i)
		addr, err := Address(text)
		switch {
		case err != nil:
			told.tell(at, "%s", err)
		case addr.Is4() != (family == discoveryv1.AddressTypeIPv4):
			told.tell(at, "%s is not an address of type %s; move it to a slice of its own type", text, family)
		default:
			e.addresses = append(e.addresses, addr)
		}
	}
	return e
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
