package policy

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/nameward/nameward/plugin/names"
)

// rule is one rule as it applies to a pod in one direction: closed if it had
// a fault, named ports resolved. It matches where any of its terms does, or
// any of its names on namePorts.
type rule struct {
	digest    digest
	ref       RuleRef
	action    Action
	terms     []term
	names     []string // sorted patterns
	namePorts *portSet // nil means every port
}

// term is a pair, so that a named port on some pods never allows the number it
// has on others (P10).
type term struct {
	peers *peerSet // nil means every peer
	ports *portSet // nil means every port
}

// draft is a rule of an object, understood as far as that is possible without
// knowing the pod it applies to.
type draft struct {
	policy *Policy
	ref    RuleRef
	action Action
	rule   *Rule
	peers  *peerSet // nil means every peer
	names  []string
	ports  []portRange
	named  []Port
	// fixed is the rule itself where it is the same for every pod, followed
	// by what it implies.
	fixed []*rule
}

// newDraft gives nil for a rule that matches nothing.
func newDraft(p *Policy, d Direction, index int) *draft {
	r := &p.section(d).Rules[index]
	out := &draft{
		policy: p, rule: r, action: r.Action,
		ref: RuleRef{Policy: p.Ref, Direction: d, Index: index, Name: r.Name},
	}
	if findFault(p, d, r).found() {
		if r.Action == ActionAccept || p.Tier == TierNetworkPolicy {
			return nil
		}
		out.action = ActionDeny
		out.rule = &Rule{AllPeers: true, AllPorts: true}
		return out
	}
	if !r.AllPeers {
		out.peers = newPeerSet(r.Peers)
		out.names = namesOf(r)
	}
	if !r.AllPorts {
		for _, port := range r.Ports {
			if port.Name != "" {
				out.named = append(out.named, port)
			} else {
				out.ports = append(out.ports, portRange{port.Protocol, port.First, port.Last})
			}
		}
	}
	return out
}

func namesOf(r *Rule) []string {
	var found []string
	for i := range r.Peers {
		if name := r.Peers[i].Name; name != "" {
			pattern, _ := names.Parse(name) // findFault has parsed it before
			found = append(found, pattern.String())
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// resolver knows what rules refer to by name.
type resolver struct {
	census *census
	dns    []netip.Addr
}

// rules gives the rule as it applies to p, with what it implies, or nothing
// where it can match nothing there.
func (v *resolver) rules(d *draft, p *Pod) []*rule {
	if d.fixed != nil {
		return d.fixed
	}
	ports := d.ports
	perPod := d.ref.Direction == Ingress && len(d.named) > 0
	if perPod {
		ports = append(slices.Clip(ports), resolvePorts(d.named, p.Ports)...)
	}
	r := &rule{ref: d.ref, action: d.action}
	switch {
	case d.rule.AllPorts:
		r.terms, r.names = d.numeric(nil), d.names
	case len(ports) > 0:
		set := newPortSet(ports)
		r.terms, r.names, r.namePorts = d.numeric(set), d.names, set
	}
	if d.ref.Direction == Egress {
		r.terms = append(r.terms, v.named(d)...)
	}
	out := v.finish(r)
	if !perPod {
		d.fixed = out
	}
	return out
}

func (d *draft) numeric(ports *portSet) []term {
	if d.peers != nil && d.peers.empty() {
		return nil
	}
	return []term{{d.peers, ports}}
}

// finish drops a rule without matches and adds the implied one (N8).
func (v *resolver) finish(r *rule) []*rule {
	out := []*rule{}
	if len(r.terms)+len(r.names) > 0 {
		out = append(out, r.seal())
	}
	if len(r.names) > 0 && len(v.dns) > 0 {
		implied := &rule{ref: r.ref, action: ActionAccept, terms: []term{{
			hostSet(v.dns),
			newPortSet([]portRange{{protocolUDP, 53, 53}, {protocolTCP, 53, 53}}),
		}}}
		implied.ref.ImpliedDNS = true
		out = append(out, implied.seal())
	}
	return out
}

// resolvePorts gives the numbers that a pod has for the named ports.
func resolvePorts(wanted []Port, has []NamedPort) []portRange {
	var found []portRange
	for i := range wanted {
		for _, port := range has {
			if wanted[i].names(port) {
				found = append(found, portRange{port.Protocol, port.Number, port.Number})
			}
		}
	}
	return found
}

func (p *Port) names(has NamedPort) bool {
	return p.Name == has.Name && (p.Protocol == 0 || p.Protocol == has.Protocol)
}

// named gives a term for each number that a named port has on a pod that the
// rule selects. Blocks, nodes and names have no named ports.
func (v *resolver) named(d *draft) []term {
	if len(d.named) == 0 {
		return nil
	}
	pods := []*podSelector{everyPod}
	if d.peers != nil {
		pods = d.peers.pods
	}
	found := map[NamedPort]bool{}
	for _, s := range pods {
		for _, n := range v.census.match(s) {
			if v.census.crowds[n].pods == 0 {
				continue // gone, and its numbers with it
			}
			for _, port := range v.census.crowds[n].ports {
				for i := range d.named {
					if d.named[i].names(port) {
						found[port] = true
					}
				}
			}
		}
	}
	var terms []term
	for _, port := range sortedPorts(found) {
		terms = append(terms, term{
			withPort(pods, port),
			newPortSet([]portRange{{port.Protocol, port.Number, port.Number}}),
		})
	}
	return terms
}

func sortedPorts(set map[NamedPort]bool) []NamedPort {
	var ports []NamedPort
	for port := range set {
		ports = append(ports, port)
	}
	slices.SortFunc(ports, func(a, b NamedPort) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Number, b.Number))
	})
	return ports
}

// seal computes the digest. It covers the rule's identity too, so that Explain
// never tells a person about somebody else's rule of the same content.
func (r *rule) seal() *rule {
	out := newRendering("rule").texts([]string{
		r.ref.Policy.Group, r.ref.Policy.Kind, r.ref.Policy.Namespace, r.ref.Policy.Name, r.ref.Name,
	}).number(int(r.ref.Direction)).number(r.ref.Index).number(int(r.action))
	if r.ref.ImpliedDNS {
		out = out.text("implied")
	}
	var every digest
	for _, t := range r.terms {
		peers, ports := every, every
		if t.peers != nil {
			peers = t.peers.digest
		}
		if t.ports != nil {
			ports = t.ports.digest
		}
		out = out.text("term").digest(peers).digest(ports)
	}
	out = out.texts(r.names)
	if r.namePorts != nil {
		out = out.digest(r.namePorts.digest)
	}
	r.digest = out.sum()
	return r
}
