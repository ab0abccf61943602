package convert

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/nameward/nameward/enforcer/policy"
)

// lastPriority is the largest priority both APIs allow.
const lastPriority = 1000

// cluster converts what both kinds of ClusterNetworkPolicy have in common.
type cluster struct {
	report
	// known are the fields of a peer by direction, as told to people.
	knownFrom, knownTo string
	// portsField is what this API calls ports, knownPorts what they hold.
	portsField, knownPorts string
}

// clusterPeer is a peer of either API, and a subject.
type clusterPeer struct {
	namespaces, nodes *metav1.LabelSelector
	pods              *namespacedPod
	networks, names   []string
}

type namespacedPod struct {
	namespaces, pods metav1.LabelSelector
}

// clusterRule is a rule of either API; its ports are converted already.
type clusterRule struct {
	name, action string
	peers        []clusterPeer
	ports        []policy.Port
	// everyPort says that there is no ports field.
	everyPort bool
}

func (c *cluster) policy(tier string, priority int32, subject clusterPeer, ingress, egress []clusterRule) policy.Policy {
	p := policy.Policy{
		Ref:      c.ref,
		Priority: priority,
		Ingress:  section(c.rules("ingress", "from", ingress)),
		Egress:   section(c.rules("egress", "to", egress)),
	}
	if priority < 0 || priority > lastPriority {
		c.tell("spec.priority", fmt.Sprintf("priority %d; write 0 to %d, the smaller goes first", priority, lastPriority))
	}
	switch tier {
	case "Admin":
		p.Tier = policy.TierAdmin
	case "Baseline":
		p.Tier = policy.TierBaseline
	default:
		p.Tier = policy.TierAdmin
		c.tell("spec.tier", fmt.Sprintf("tier %q is unknown; write Admin or Baseline; until then what the policy denies stays denied and it allows nothing", tier))
		harden(&p, "the policy's tier is not understood")
	}
	c.subject(&p, subject)
	return p
}

// subject selects every pod that the understood part of the subject does.
func (c *cluster) subject(p *policy.Policy, s clusterPeer) {
	var inside, reason string
	switch {
	case s.namespaces != nil && s.pods != nil:
		reason = "namespaces and pods exclude each other"
	case s.namespaces == nil && s.pods == nil:
		reason = "no subject that this version knows; write namespaces or pods"
	default:
		selected, where, err := s.selectors().resolve()
		p.Subject = selected
		if err != nil {
			inside, reason = "."+where, err.Error()
		}
	}
	if reason != "" {
		c.tell("spec.subject"+inside, reason+"; until this is right, what the policy denies is denied to more pods and it allows nothing")
		harden(p, "the policy's subject is not understood")
	}
}

func (p *clusterPeer) selectors() pair {
	if p.pods == nil {
		return pair{namespaces: p.namespaces, namespacesField: "namespaces"}
	}
	return pair{
		namespaces: &p.pods.namespaces, namespacesField: "pods.namespaceSelector",
		pods: &p.pods.pods, podsField: "pods.podSelector",
	}
}

func (c *cluster) rules(direction, peersField string, all []clusterRule) []policy.Rule {
	var out []policy.Rule
	for i := range all {
		out = append(out, c.rule(fmt.Sprintf("spec.%s[%d]", direction, i), peersField, &all[i]))
	}
	return out
}

func (c *cluster) rule(field, peersField string, r *clusterRule) policy.Rule {
	if rule, null := c.nullRule(field, policy.ActionDeny); null {
		return rule
	}
	rule := policy.Rule{Name: r.name, Action: c.action(field, r.action), AllPorts: r.everyPort, Ports: r.ports}
	if len(r.peers) == 0 {
		rule.Peers = []policy.Peerage{c.malformedPeer(field+"."+peersField, "no peers; write at least one")}
	}
	for i := range r.peers {
		at := fmt.Sprintf("%s.%s[%d]", field, peersField, i)
		rule.Peers = append(rule.Peers, c.peers(at, peersField, &r.peers[i], &rule)...)
	}
	return rule
}

// clusterPorts keeps a list without items apart from one that is missing,
// which means every port: both schemas forbid it, as nobody knows which of
// none and all was meant.
func clusterPorts[T any](c *cluster, ruleField string, all []T, one func(T) (policy.Port, error)) []policy.Port {
	field := ruleField + "." + c.portsField
	if all != nil && len(all) == 0 {
		return []policy.Port{c.malformedPort(field, fmt.Sprintf("no %s; write at least one, or leave the field out for all", c.portsField))}
	}
	return ports(&c.report, field, c.knownPorts, all, one)
}

// action denies what a rule names whose action nobody knows: of everything
// else the rule says nothing.
func (c *cluster) action(field, action string) policy.Action {
	switch action {
	case "Accept":
		return policy.ActionAccept
	case "Deny":
		return policy.ActionDeny
	case "Pass":
		return policy.ActionPass
	}
	c.tell(field+".action", fmt.Sprintf("action %q is unknown and taken as Deny; write Accept, Deny or Pass", action))
	return policy.ActionDeny
}

func (c *cluster) peers(field, peersField string, p *clusterPeer, rule *policy.Rule) []policy.Peerage {
	known := c.knownTo
	if peersField == "from" {
		known = c.knownFrom
	}
	one := func(p policy.Peerage) []policy.Peerage { return []policy.Peerage{p} }
	if where, reason := c.unclearIn(field, known); reason != "" {
		return one(c.malformedPeer(where, reason))
	}
	switch countTrue(p.namespaces != nil, p.pods != nil, p.nodes != nil, p.networks != nil, p.names != nil) {
	case 0:
		return one(c.malformedPeer(field, "no peer that this version knows; write one of "+known))
	case 1:
	default:
		return one(c.malformedPeer(field, "more than one kind of peer in one item; write an item for each"))
	}
	switch {
	case p.networks != nil && len(p.networks) == 0:
		return one(c.malformedPeer(field+".networks", "no networks; write at least one"))
	case p.names != nil && len(p.names) == 0:
		return one(c.malformedPeer(field+".domainNames", "no domain names; write at least one"))
	case p.nodes != nil:
		c.tellUnnamed(field+".nodes", rule.Ports)
		return one(c.nodePeer(field+".nodes", p.nodes))
	case p.networks != nil:
		c.tellUnnamed(field+".networks", rule.Ports)
		return c.networkPeers(field+".networks", p.networks)
	case p.names != nil:
		c.tellUnnamed(field+".domainNames", rule.Ports)
		return c.namePeers(field+".domainNames", p.names, rule.Action)
	}
	return one(c.podPeer(field, "", p.selectors()))
}

func (c *cluster) networkPeers(field string, all []string) []policy.Peerage {
	out := make([]policy.Peerage, len(all))
	for i, cidr := range all {
		out[i] = c.networkPeer(fmt.Sprintf("%s[%d]", field, i), cidr)
	}
	return out
}
