package policy

import (
	"net/netip"
	"slices"

	"github.com/nameward/nameward/plugin/names"
)

// hits gives the rules of p that match the flow, in rule order.
func (v *view) hits(p *Policy) []hit {
	section := p.section(v.flow.Direction)
	if section == nil {
		return nil
	}
	var found []hit
	for i := range section.Rules {
		r := &section.Rules[i]
		h := hit{policy: p, direction: v.flow.Direction, index: i, action: r.Action}
		if f := findFault(p, v.flow.Direction, r); f.found() {
			if r.Action != ActionAccept && p.Tier != TierNetworkPolicy {
				h.action, h.closed = ActionDeny, f.reason
				found = append(found, h)
			}
			continue
		}
		if v.matches(r) || v.backend != nil && v.behind().matches(r) {
			found = append(found, h)
		}
		if v.isImpliedDNS(r) || v.backend != nil && v.behind().isImpliedDNS(r) {
			h.implied = true
			found = append(found, h)
		}
	}
	return found
}

// behind sees the flow as it is behind the Service.
func (v *view) behind() *view { return &view{world: v.world, flow: *v.backend} }

func (v *view) matches(r *Rule) bool {
	if r.AllPeers {
		return v.portMatches(r, &PodSelector{})
	}
	for i := range r.Peers {
		if v.peerMatches(r, &r.Peers[i]) {
			return true
		}
	}
	return false
}

func (v *view) peerMatches(r *Rule, p *Peerage) bool {
	switch {
	case p.Pods != nil:
		return slices.ContainsFunc(v.peerPods(), func(pod *Pod) bool { return v.selected(p.Pods, pod) }) &&
			v.portMatches(r, p.Pods)
	case p.Nodes != nil:
		for i := range v.world.Nodes {
			n := &v.world.Nodes[i]
			if p.Nodes.Matches(n.Labels) && holds(n.Addresses, v.flow.Peer) {
				return v.portMatches(r, nil)
			}
		}
	case p.Block != nil:
		return p.Block.matches(v.flow.Peer) && v.portMatches(r, nil)
	case p.Name != "":
		return v.nameMatches(p.Name) && v.portMatches(r, nil)
	}
	return false
}

func (v *view) nameMatches(text string) bool {
	pattern, err := names.Parse(text)
	return err == nil && slices.ContainsFunc(v.flow.Names, pattern.Matches)
}

func (b *Block) matches(a netip.Addr) bool {
	if !b.CIDR.Contains(a) {
		return false
	}
	return !slices.ContainsFunc(b.Except, func(hole netip.Prefix) bool { return hole.Contains(a) })
}

// portMatches tries the ports of r. At egress a named port is looked up on
// those pods that have the peer's address and that the rule selects: none for
// peers that are not pods (P10).
func (v *view) portMatches(r *Rule, pods *PodSelector) bool {
	if r.AllPorts {
		return true
	}
	for i := range r.Ports {
		port := &r.Ports[i]
		switch {
		case port.Name == "":
			if port.Protocol == v.flow.Protocol && port.First <= v.flow.Port && v.flow.Port <= port.Last {
				return true
			}
		case v.flow.Direction == Ingress:
			if v.hasPort(v.flow.Pod, port) {
				return true
			}
		case pods != nil:
			if slices.ContainsFunc(v.peerPods(), func(p *Pod) bool {
				return v.selected(pods, p) && v.hasPort(p, port)
			}) {
				return true
			}
		}
	}
	return false
}

// hasPort says whether the flow's destination port is p's port of that name.
func (v *view) hasPort(p *Pod, wanted *Port) bool {
	return slices.ContainsFunc(p.Ports, func(has NamedPort) bool {
		return has.Name == wanted.Name && (wanted.Protocol == 0 || wanted.Protocol == has.Protocol) &&
			has.Protocol == v.flow.Protocol && has.Number == v.flow.Port
	})
}

// isImpliedDNS says whether r has names for some port, and the flow goes to
// the cluster's DNS (N8).
func (v *view) isImpliedDNS(r *Rule) bool {
	f := &v.flow
	if r.AllPeers || f.Port != 53 || f.Protocol != protocolUDP && f.Protocol != protocolTCP {
		return false
	}
	named := slices.ContainsFunc(r.Peers, func(p Peerage) bool { return p.Name != "" })
	numbered := r.AllPorts || slices.ContainsFunc(r.Ports, func(p Port) bool { return p.Name == "" })
	return named && numbered && holds(v.world.ClusterDNS, f.Peer)
}

// peerPods gives the pods that have the peer's address. Hosts and finished
// pods are none (P16, P17).
func (v *view) peerPods() []*Pod {
	var found []*Pod
	for i := range v.world.Pods {
		p := v.world.Pods[i]
		if !p.HostNetwork && !p.Finished && holds(p.Addresses, v.flow.Peer) {
			found = append(found, p)
		}
	}
	return found
}

func (v *view) selected(s *PodSelector, p *Pod) bool {
	switch {
	case s.Namespace != "" && s.Namespace != p.Ref.Namespace:
		return false
	case s.Namespaces != nil && !s.Namespaces.Matches(v.world.Namespaces[p.Ref.Namespace]):
		return false
	case s.Pods != nil && !s.Pods.Matches(p.Labels):
		return false
	}
	return true
}
