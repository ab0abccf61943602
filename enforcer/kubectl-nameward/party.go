package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/nameward/nameward/plugin/names"
)

// party is one side of a connection as people write it: exactly one of its
// fields is set.
type party struct {
	pod, service object
	name         string // canonical
	address      netip.Addr
}

// object is the name of a pod or Service.
type object struct{ namespace, name string }

func (o object) String() string { return o.namespace + "/" + o.name }

func (p party) String() string {
	switch {
	case p.pod != object{}:
		return p.pod.String()
	case p.service != object{}:
		return "svc/" + p.service.String()
	case p.name != "":
		return p.name
	default:
		return p.address.String()
	}
}

func parseParty(text string) (party, error) {
	if addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")); err == nil {
		if addr.Zone() != "" {
			return party{}, fmt.Errorf("%q: policies know no zones; write the address without %%%s", text, addr.Zone())
		}
		return party{address: addr.Unmap()}, nil
	}
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return party{}, fmt.Errorf("%q is a CIDR; write one address of it, such as %s", text, prefix.Masked().Addr().Next())
	}
	parts := strings.Split(text, "/")
	for _, part := range parts {
		if len(validation.IsDNS1123Subdomain(part)) > 0 && len(parts) > 1 || len(parts) > 3 || len(parts) == 3 && parts[0] != "svc" {
			return party{}, notParty(text)
		}
	}
	switch len(parts) {
	case 2:
		return party{pod: object{parts[0], parts[1]}}, nil
	case 3:
		return party{service: object{parts[1], parts[2]}}, nil
	}
	return parseName(text)
}

func parseName(text string) (party, error) {
	if !strings.Contains(strings.TrimSuffix(text, "."), ".") {
		return party{}, notParty(text)
	}
	pattern, err := names.Parse(text)
	switch {
	case err != nil:
		return party{}, err
	case pattern.Wildcard():
		return party{}, fmt.Errorf("%q stands for many names; write one of them", text)
	}
	return party{name: pattern.String()}, nil
}

func notParty(text string) error {
	return fmt.Errorf("%q is neither NAMESPACE/POD, svc/NAMESPACE/NAME, a domain name nor an IP address", text)
}

// target is where a connection goes to.
type target struct {
	party    party
	port     portRef
	protocol protocol // zero where the text names none
}

// parseTarget reads NAME:PORT, IP:PORT, [IPV6]:PORT, NAMESPACE/POD:PORT or
// svc/NAMESPACE/NAME:PORT, each perhaps with /tcp, /udp, /sctp or /icmp.
func parseTarget(text string) (target, error) {
	var t target
	host, port := text, ""
	if rest, suffix, ok := cutLast(text, "/"); ok {
		p, err := parseProtocol(suffix)
		if err == nil && (p == icmp && !bareNamespace(rest) || strings.Contains(rest, ":")) {
			host, t.protocol = rest, p
		}
	}
	if _, err := netip.ParseAddr(host); err != nil { // else an IPv6 address would be cut
		if before, after, ok := cutLast(host, ":"); ok && !strings.HasSuffix(host, "]") {
			host, port = before, after
		}
	}
	var err error
	if t.party, err = parseParty(host); err != nil {
		return t, err
	}
	if port == "" {
		return t, nil
	}
	t.port, err = parsePort(port)
	return t, err
}

// bareNamespace says that NAME/icmp is a pod called icmp.
func bareNamespace(text string) bool {
	_, err := netip.ParseAddr(text)
	return err != nil && !strings.ContainsAny(text, "/.:")
}

func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(separator):], true
}

// over settles the protocol, which may be said twice but not in two ways.
func (t target) over(flag protocol) (target, error) {
	switch {
	case t.protocol == 0 && flag == 0:
		t.protocol = tcp
	case t.protocol == 0:
		t.protocol = flag
	case flag != 0 && flag != t.protocol:
		return t, fmt.Errorf("the target says %s and the protocol is said to be %s; say it once", t.protocol, flag)
	}
	return t, checkPort(t.port, t.protocol)
}

// directions are the sides of a connection to judge.
type directions struct{ egress, ingress bool }

func parseDirections(text string) (directions, error) {
	switch text {
	case "both":
		return directions{true, true}, nil
	case "egress":
		return directions{egress: true}, nil
	case "ingress":
		return directions{ingress: true}, nil
	}
	return directions{}, fmt.Errorf("%q: want ingress, egress or both", text)
}

// question is a connection as people ask about it.
type question struct {
	from       party
	to         target
	directions directions
}

var errNameFrom = errors.New("domain names are known on the way out only; write the address that the connection comes from")

// check finds what can be told from the words alone.
func (q question) check() error {
	switch {
	case q.from.name != "":
		return fmt.Errorf("from %s: %w", q.from, errNameFrom)
	case q.from.service != object{}:
		return fmt.Errorf("from %s: connections come from pods, never from a Service; write the pod", q.from)
	case q.to.port.name != "" && q.to.party.pod == object{}:
		return fmt.Errorf("to %s: only pods of the manifests have ports by name; write the number of %q", q.to.party, q.to.port.name)
	}
	return nil
}

func (q question) String() string {
	port := ""
	if q.to.port.given() {
		port = ":" + q.to.port.String()
		if q.to.party.address.Is6() {
			return fmt.Sprintf("%s → [%s]%s/%s", q.from, q.to.party, port, q.to.protocol)
		}
	}
	return fmt.Sprintf("%s → %s%s/%s", q.from, q.to.party, port, q.to.protocol)
}
