package convert

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/nameward/nameward/enforcer/policy"
)

const lastPort = 65535

// Protocol gives the IANA number of a protocol as Kubernetes spells it. Empty
// means TCP (P9).
func Protocol(name corev1.Protocol) (uint8, error) {
	switch name {
	case "", corev1.ProtocolTCP:
		return 6, nil
	case corev1.ProtocolUDP:
		return 17, nil
	case corev1.ProtocolSCTP:
		return 132, nil
	default:
		return 0, fmt.Errorf("protocol %q has no ports; write TCP, UDP or SCTP", string(name))
	}
}

// everyPort is every port of a protocol.
func everyPort(protocol uint8) policy.Port {
	return policy.Port{Protocol: protocol, Last: lastPort}
}

func portRange(protocol uint8, first, last int32) (policy.Port, error) {
	for _, n := range []int32{first, last} {
		if n < 1 || n > lastPort {
			return policy.Port{}, noSuchPort(n)
		}
	}
	if last < first {
		return policy.Port{}, fmt.Errorf("port range ends at %d, before it starts at %d", last, first)
	}
	return policy.Port{Protocol: protocol, First: uint16(first), Last: uint16(last)}, nil
}

func noSuchPort(n int32) error {
	return fmt.Errorf("port %d does not exist; write 1 to %d", n, lastPort)
}

// namedPort checks the name, because a misspelt name in a rule that denies
// would silently deny nothing. Protocol zero means whatever the container
// port has.
func namedPort(protocol uint8, name string) (policy.Port, error) {
	if faults := validation.IsValidPortName(name); len(faults) > 0 {
		hint := ""
		if strings.Trim(name, "0123456789") == "" && name != "" {
			hint = "; write a number without quotes"
		}
		return policy.Port{}, fmt.Errorf("%q is not a port name: %s%s", name, faults[0], hint)
	}
	return policy.Port{Protocol: protocol, Name: name}, nil
}

// networkPort is the form of NetworkPolicy and ApplicationNetworkPolicy.
func networkPort(p networkingv1.NetworkPolicyPort) (policy.Port, error) {
	var name corev1.Protocol
	if p.Protocol != nil {
		name = *p.Protocol
	}
	protocol, err := Protocol(name)
	switch {
	case err != nil:
		return policy.Port{}, err
	case p.Port == nil && p.EndPort != nil:
		return policy.Port{}, fmt.Errorf("endPort %d without port; add the port the range starts at", *p.EndPort)
	case p.Port == nil:
		return everyPort(protocol), nil
	case p.Port.Type == intstr.String && p.EndPort != nil:
		return policy.Port{}, fmt.Errorf("endPort %d with the named port %q; a range starts at a number", *p.EndPort, p.Port.StrVal)
	case p.Port.Type == intstr.String:
		return namedPort(protocol, p.Port.StrVal)
	case p.EndPort != nil:
		return portRange(protocol, p.Port.IntVal, *p.EndPort)
	}
	return portRange(protocol, p.Port.IntVal, p.Port.IntVal)
}

// ports converts the ports of one rule; known says what an item may hold.
func ports[T any](r *report, field, known string, all []T, one func(T) (policy.Port, error)) []policy.Port {
	var out []policy.Port
	for i, item := range all {
		at := fmt.Sprintf("%s[%d]", field, i)
		if where, reason := r.unclearIn(at, known); reason != "" {
			out = append(out, r.malformedPort(where, reason))
			continue
		}
		port, err := one(item)
		if err != nil {
			port = r.malformedPort(at, err.Error())
		}
		out = append(out, port)
	}
	return out
}

// onlyNamed says that ports can match nothing but pods (P10).
func onlyNamed(all []policy.Port) bool {
	for _, p := range all {
		if p.Name == "" {
			return false
		}
	}
	return len(all) > 0
}

// tellUnnamed tells of a peer that has no named ports under a rule that has
// nothing else.
func (r *report) tellUnnamed(field string, ports []policy.Port) {
	if onlyNamed(ports) {
		r.tell(field, "only pods have named ports, so this peer never matches here; give port numbers")
	}
}
