package policy

import (
	"fmt"
	"net/netip"

	"github.com/nameward/nameward/plugin/names"
)

// IANA protocol numbers of the protocols that have ports in the policy APIs.
const (
	protocolTCP  = 6
	protocolUDP  = 17
	protocolSCTP = 132
)

// A fault closes the whole rule: Accept then matches nothing, Deny and Pass
// deny everything (P15). One bad peer closes its good neighbours too, since
// upstream defines "fail closed" for the rule, not for the peer.
type fault struct {
	// field is a path inside the rule, such as to[2].
	field, reason string
	// told says that who made the World knows of it already.
	told bool
}

func (f fault) found() bool { return f.reason != "" }

// findFault gives the first reason why r cannot be understood.
func findFault(p *Policy, direction Direction, r *Rule) fault {
	if f := findActionFault(p, r); f.found() {
		return f
	}
	if !r.AllPeers {
		if f := findPeerFault(direction, r); f.found() {
			return f
		}
	}
	if r.AllPorts {
		return fault{}
	}
	field := portsField(p)
	if len(r.Ports) == 0 {
		return fault{field: field, reason: "no ports; leave the field out to mean all"}
	}
	for i := range r.Ports {
		if reason := portFault(&r.Ports[i]); reason != "" {
			return fault{fmt.Sprintf("%s[%d]", field, i), reason, r.Ports[i].Malformed != ""}
		}
	}
	return fault{}
}

func findActionFault(p *Policy, r *Rule) fault {
	switch {
	case p.Tier != TierAdmin && p.Tier != TierNetworkPolicy && p.Tier != TierBaseline:
		return fault{field: "", reason: "its policy has an unknown tier; it must be Admin or Baseline"}
	case p.Tier == TierNetworkPolicy && r.Action != ActionAccept:
		return fault{field: "action", reason: "a rule of this kind can only accept"}
	case r.Action != ActionAccept && r.Action != ActionDeny && r.Action != ActionPass:
		return fault{field: "action", reason: "unknown action; it must be Accept, Deny or Pass"}
	}
	return fault{}
}

func findPeerFault(direction Direction, r *Rule) fault {
	field := peersField(direction)
	if len(r.Peers) == 0 {
		return fault{field: field, reason: "no peers; a rule for everybody must say so"}
	}
	for i := range r.Peers {
		if reason := peerFault(&r.Peers[i], direction, r.Action); reason != "" {
			return fault{fmt.Sprintf("%s[%d]", field, i), reason, r.Peers[i].Malformed != ""}
		}
	}
	return fault{}
}

func peerFault(p *Peerage, direction Direction, action Action) string {
	if p.Malformed != "" {
		return p.Malformed
	}
	set := 0
	for _, is := range []bool{p.Pods != nil, p.Nodes != nil, p.Block != nil, p.Name != ""} {
		if is {
			set++
		}
	}
	switch {
	case set == 0:
		return "no peer that this version knows"
	case set > 1:
		return "more than one kind of peer in one item; write an item for each"
	case p.Block != nil:
		return blockFault(p.Block)
	case p.Name == "":
		return ""
	case direction != Egress:
		return "domain names are possible in egress rules only"
	case action != ActionAccept:
		return fmt.Sprintf("a domain name cannot be used with %s, only with Accept", action)
	}
	if _, err := names.Parse(p.Name); err != nil {
		return err.Error()
	}
	return ""
}

func blockFault(b *Block) string {
	if reason := prefixFault(b.CIDR); reason != "" {
		return reason
	}
	for _, hole := range b.Except {
		if reason := prefixFault(hole); reason != "" {
			return "except: " + reason
		}
	}
	return ""
}

// An IPv4-mapped prefix would be the same key as an IPv4 one in the kernel,
// and IPv6 blocks never match IPv4 (P11).
func prefixFault(p netip.Prefix) string {
	switch {
	case !p.IsValid():
		return "not a CIDR"
	case p.Addr().Is4In6():
		return fmt.Sprintf("%s is an IPv4-mapped CIDR; write it as IPv4", p)
	}
	return ""
}

func portFault(p *Port) string {
	known := p.Protocol == protocolTCP || p.Protocol == protocolUDP || p.Protocol == protocolSCTP
	switch {
	case p.Malformed != "":
		return p.Malformed
	case !known && (p.Protocol != 0 || p.Name == ""):
		return fmt.Sprintf("protocol %d has no ports; it must be TCP, UDP or SCTP", p.Protocol)
	case p.Name == "" && p.First > p.Last:
		return fmt.Sprintf("port range %d to %d is empty", p.First, p.Last)
	}
	return ""
}

func peersField(d Direction) string {
	if d == Ingress {
		return "from"
	}
	return "to"
}

// portsField is what the object's API calls the ports of a rule.
func portsField(p *Policy) string {
	if p.Tier == TierNetworkPolicy || p.AWS {
		return "ports"
	}
	return "protocols"
}

// ruleField is the path of a rule inside its object.
func ruleField(d Direction, index int, inside string) string {
	field := fmt.Sprintf("spec.%s[%d]", d, index)
	if inside != "" {
		field += "." + inside
	}
	return field
}

// problemsOf tells of every rule of p that is closed and nobody told of yet.
func problemsOf(p *Policy) []Problem {
	var found []Problem
	for _, d := range []Direction{Ingress, Egress} {
		section := p.section(d)
		if section == nil {
			continue
		}
		for i := range section.Rules {
			if f := findFault(p, d, &section.Rules[i]); f.found() && !f.told {
				found = append(found, Problem{p.Ref, ruleField(d, i, f.field), f.reason})
			}
		}
	}
	return found
}

func (p *Policy) section(d Direction) *Section {
	if d == Ingress {
		return p.Ingress
	}
	return p.Egress
}
