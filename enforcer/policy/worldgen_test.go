package policy

import (
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"pgregory.net/rapid"
)

// The pools are small, so that random policies and packets meet.
var (
	poolNamespaces = []string{"a", "b", "c"}
	poolPodAddrs   = addrs("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "fd00::1", "fd00::2", "fd00::3")
	poolOtherAddrs = addrs("10.0.0.9", "10.9.0.1", "192.168.0.1", "192.168.0.2", "192.168.0.3", "fd01::1", "fd01::2",
		"203.0.113.7", "203.0.113.8", "8.8.8.8", "2001:db8::7", "2001:db8:1::1", "::1", "127.0.0.1", "169.254.20.10")
	poolServices = addrs("10.0.0.9", "203.0.113.8", "fd01::1", "2001:db8::7")
	poolPeers    = append(slices.Clone(poolPodAddrs), poolOtherAddrs...)
	poolPrefixes = prefixes("0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/24", "10.0.0.0/29", "10.0.0.0/30", "10.0.0.2/31",
		"10.0.0.1/32", "10.0.0.4/32", "192.168.0.0/16", "192.168.0.2/32", "203.0.113.0/24", "203.0.113.7/32", "8.0.0.0/7",
		"128.0.0.0/1", "::/0", "::/1", "::/64", "fd00::/8", "fd00::/16", "fd00::/126", "fd00::2/127", "fd00::1/128",
		"2001:db8::/32", "2001:db8::/48", "2001:db8::7/128")
	poolPatterns  = []string{"*.example.com", "example.com", "api.example.com", "*.test"}
	poolNames     = []string{"api.example.com", "example.com", "x.y.example.com", "a.test", "other.org"}
	poolPorts     = []uint16{0, 1, 53, 79, 80, 81, 443, 8080, 8081, 65535}
	poolProtocols = []uint8{protocolTCP, protocolUDP, protocolSCTP}
	poolPortNames = []string{"web", "dns"}
)

func addrs(all ...string) (out []netip.Addr) {
	for _, s := range all {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func prefixes(all ...string) (out []netip.Prefix) {
	for _, s := range all {
		out = append(out, netip.MustParsePrefix(s).Masked())
	}
	return out
}

// evenly gives 0 to n-1, each about as often. Package rapid's integers lie at the
// ends of their range much of the time: most rules would be malformed.
func evenly(t *rapid.T, label string, n int) int {
	width := bits.Len(uint(n-1)) + 3
	drawn := 0
	for range width {
		drawn <<= 1
		if bit.Draw(t, label) {
			drawn |= 1
		}
	}
	return drawn * n >> width
}

var bit = rapid.Bool()

func pick[T any](t *rapid.T, label string, from []T) T { return from[evenly(t, label, len(from))] }

// chance is true once in n.
func chance(t *rapid.T, label string, n int) bool { return evenly(t, label, n) == n-1 }

func count(t *rapid.T, label string, least, most int) int {
	return least + evenly(t, label, most-least+1)
}

func drawLabels(t *rapid.T) labels.Set {
	set := labels.Set{}
	for _, key := range []string{"app", "tier"} {
		if v := pick(t, key, []string{"-", "", "x", "y"}); v != "-" {
			set[key] = v
		}
	}
	return set
}

func drawSelector(t *rapid.T) labels.Selector {
	text := pick(t, "selector", []string{
		"", "app=x", "app=y", "app=", "app!=x", "app in (x,y)", "app notin (x)", "app", "!app", "tier=x,app", "tier=y",
	})
	s, err := labels.Parse(text)
	if err != nil {
		panic(err)
	}
	return s
}

func drawPodSelector(t *rapid.T, namespace string) *PodSelector {
	s := &PodSelector{Namespace: namespace}
	if namespace == "" && chance(t, "by namespace", 2) {
		s.Namespaces = drawSelector(t)
	}
	if !chance(t, "all pods", 3) {
		s.Pods = drawSelector(t)
	}
	return s
}

func drawWorld(t *rapid.T) *World {
	w := &World{
		Node:         "n1",
		Default:      pick(t, "default", []Verdict{VerdictUnknown, Deny, Allow, Allow}),
		AWSRuleOrder: pick(t, "order", []RuleOrder{DenyFirst, AsWritten}),
		Namespaces:   map[string]labels.Set{},
		Nodes: []Node{
			{"n1", drawLabels(t), addrs("192.168.0.1", "fd01::1")},
			{"n2", drawLabels(t), addrs("192.168.0.2", "fd01::2")},
		},
	}
	if chance(t, "local", 2) {
		w.LocalAddresses = addrs("192.168.0.1", "fd01::1", "169.254.20.10")
	}
	if chance(t, "dns", 2) {
		w.ClusterDNS = addrs("10.0.0.5", "169.254.20.10", "fd01::2")
	}
	for _, ns := range poolNamespaces {
		if !chance(t, "unknown namespace", 8) {
			w.Namespaces[ns] = drawLabels(t)
		}
	}
	for i := range count(t, "pods", 1, 6) {
		w.Pods = append(w.Pods, new(drawPod(t, i)))
	}
	for i := range count(t, "policies", 0, 7) {
		w.Policies = append(w.Policies, new(drawPolicy(t, i)))
	}
	w.Services = drawServices(t)
	w.AuditDefault = chance(t, "default on trial", 8)
	if chance(t, "namespace on trial", 8) {
		w.AuditNamespaces = map[string]bool{"a": true}
	}
	return w
}

// drawServices leads from addresses that are no pods' to pods and others.
func drawServices(t *rapid.T) []*Service {
	var all []*Service
	for i := range count(t, "services", 0, 2) {
		s := &Service{Namespace: "a", Name: fmt.Sprint("s", i)}
		for range count(t, "service addresses", 0, 2) {
			s.Addresses = append(s.Addresses, pick(t, "service address", poolServices))
		}
		for range count(t, "service ports", 0, 2) {
			port := ServicePort{Protocol: pick(t, "protocol", poolProtocols), Port: pick(t, "service port", poolPorts)}
			for range count(t, "backends", 0, 3) {
				port.Backends = append(port.Backends, Backend{pick(t, "backend", poolPeers), pick(t, "target port", poolPorts)})
			}
			s.Ports = append(s.Ports, port)
		}
		all = append(all, s)
	}
	return all
}

// changeServices keeps some and puts others in, among them such as share an
// address with one that goes.
func changeServices(t *rapid.T, services []*Service) []*Service {
	var out []*Service
	for _, s := range services {
		switch count(t, "change", 0, 3) {
		case 0:
			continue
		case 1:
			fewer := *s
			fewer.Ports = fewer.Ports[:len(fewer.Ports)/2]
			s = &fewer
		}
		out = append(out, s)
	}
	return append(out, drawServices(t)...)
}

func drawPod(t *rapid.T, i int) Pod {
	p := Pod{
		Ref:         PodRef{pick(t, "namespace", poolNamespaces), fmt.Sprintf("p%d", i), fmt.Sprintf("uid-%d", i)},
		Labels:      drawLabels(t),
		Node:        pick(t, "node", []string{"n1", "n1", "n2"}),
		HostNetwork: chance(t, "host network", 10),
		Finished:    chance(t, "finished", 10),
	}
	for range count(t, "addresses", 0, 2) {
		p.Addresses = append(p.Addresses, pick(t, "address", poolPodAddrs))
	}
	p.Ports = drawPorts(t)
	return p
}

func drawPorts(t *rapid.T) (ports []NamedPort) {
	for range count(t, "ports", 0, 3) {
		ports = append(ports, NamedPort{pick(t, "name", poolPortNames), pick(t, "protocol", poolProtocols), pick(t, "number", poolPorts)})
	}
	return ports
}

func drawPolicy(t *rapid.T, i int) Policy {
	p := Policy{
		Tier:     pick(t, "tier", []Tier{TierAdmin, TierAdmin, TierNetworkPolicy, TierNetworkPolicy, TierBaseline, TierBaseline, TierUnknown}),
		Priority: int32(count(t, "priority", 0, 2)),
	}
	p.Ref.Name = fmt.Sprintf("%c%d", 'a'+count(t, "letter", 0, 2), i)
	ns := ""
	switch {
	case p.Tier == TierNetworkPolicy:
		ns = pick(t, "namespace", poolNamespaces)
		p.Ref.Namespace = ns
		p.Ref.Kind, p.Ref.Group = "NetworkPolicy", "networking.k8s.io"
		if chance(t, "application", 2) {
			p.Ref.Kind, p.Ref.Group = "ApplicationNetworkPolicy", "networking.k8s.aws"
		}
	case chance(t, "aws", 2):
		p.AWS = true
		p.Ref.Kind, p.Ref.Group = "ClusterNetworkPolicy", "networking.k8s.aws"
	default:
		p.Ref.Kind, p.Ref.Group = "ClusterNetworkPolicy", "policy.networking.k8s.io"
	}
	p.Audit = chance(t, "on trial", 6)
	p.Lockdown = chance(t, "lockdown", 4)
	if chance(t, "terms", 4) {
		p.Names = drawTerms(t)
	}
	p.Subject = *drawPodSelector(t, ns)
	if chance(t, "ingress", 2) {
		p.Ingress = drawSection(t, &p, Ingress)
	}
	if !chance(t, "no egress", 3) {
		p.Egress = drawSection(t, &p, Egress)
	}
	return p
}

func drawTerms(t *rapid.T) NameTerms {
	term := func(label string) Term {
		return pick(t, label, []Term{{}, Fixed(0), Fixed(time.Second), Fixed(time.Hour)})
	}
	n := NameTerms{Life: Life{MinTTL: term("min-ttl"), Grace: term("grace")}}
	for range count(t, "private ranges", 0, 2) {
		n.Private = append(n.Private, pick(t, "private", poolPrefixes))
	}
	return n
}

func drawSection(t *rapid.T, p *Policy, d Direction) *Section {
	s := &Section{}
	for range count(t, "rules", 0, 3) {
		s.Rules = append(s.Rules, drawRule(t, p, d))
	}
	return s
}

func drawRule(t *rapid.T, p *Policy, d Direction) Rule {
	r := Rule{Action: ActionAccept, Name: pick(t, "rule name", []string{"", "named"})}
	if p.Tier != TierNetworkPolicy || chance(t, "odd action", 20) {
		r.Action = pick(t, "action", []Action{ActionAccept, ActionAccept, ActionDeny, ActionDeny, ActionPass, ActionPass})
		if chance(t, "unknown action", 30) {
			r.Action = ActionUnknown
		}
	}
	r.AllPeers = chance(t, "all peers", 5)
	if !r.AllPeers {
		for range count(t, "peers", 1, 3) {
			r.Peers = append(r.Peers, drawPeer(t, p, d, r.Action))
		}
	}
	r.AllPorts = chance(t, "all ports", 3)
	if !r.AllPorts {
		for range count(t, "ports", 1, 2) {
			r.Ports = append(r.Ports, drawPort(t))
		}
	}
	return r
}

func drawPeer(t *rapid.T, p *Policy, d Direction, a Action) Peerage {
	if chance(t, "odd peer", 25) {
		return pick(t, "malformed", []Peerage{
			{}, {Malformed: "from the future"}, {Name: "1.2.3.4"}, {Name: "example.com"},
			{Block: &Block{CIDR: netip.MustParsePrefix("::ffff:10.0.0.0/104")}}, {Block: &Block{}},
		})
	}
	switch kind := count(t, "kind", 0, 9); {
	case kind < 4:
		ns := ""
		if p.Tier == TierNetworkPolicy && chance(t, "own namespace", 2) {
			ns = p.Ref.Namespace
		}
		return Peerage{Pods: drawPodSelector(t, ns)}
	case kind < 8:
		b := &Block{CIDR: pick(t, "cidr", poolPrefixes)}
		for range count(t, "holes", 0, 3) {
			b.Except = append(b.Except, pick(t, "hole", poolPrefixes))
		}
		return Peerage{Block: b}
	case d == Egress && a == ActionAccept:
		return Peerage{Name: pick(t, "pattern", poolPatterns)}
	default:
		return Peerage{Nodes: drawSelector(t)}
	}
}

func drawPort(t *rapid.T) Port {
	switch kind := count(t, "port kind", 0, 40); {
	case kind == 40:
		return pick(t, "malformed", []Port{{Malformed: "odd"}, {Protocol: 1}, {}, {Protocol: protocolTCP, First: 2, Last: 1}})
	case kind > 30:
		return Port{Name: pick(t, "port name", poolPortNames), Protocol: pick(t, "protocol", append([]uint8{0}, poolProtocols...))}
	case kind > 26:
		return Port{Protocol: pick(t, "protocol", poolProtocols), Last: 65535}
	}
	x, y := pick(t, "first", poolPorts), pick(t, "last", poolPorts)
	return Port{Protocol: pick(t, "protocol", poolProtocols), First: min(x, y), Last: max(x, y)}
}
