package main

import (
	"strconv"
	"strings"

	"github.com/nameward/nameward/enforcer/policy"
)

// verdict is what becomes of a connection, which can have several paths: each
// pair of addresses of one family, and each backend of a Service, is one.
type verdict string

const (
	allow verdict = "allow"
	deny  verdict = "deny"
	// mixed is allowed on some paths and denied on others.
	mixed verdict = "mixed"
)

func verdictOf(v policy.Verdict) verdict {
	if v == policy.Allow {
		return allow
	}
	return deny
}

// answer is what is told of a question. The names of its fields are part of
// what the program promises.
type answer struct {
	From     string  `json:"from"`
	To       string  `json:"to"`
	Protocol string  `json:"protocol"`
	Port     string  `json:"port,omitempty"`
	Verdict  verdict `json:"verdict"`
	// Assumptions are what the manifests do not say and had to be made up.
	Assumptions []string `json:"assumptions,omitempty"`
	Paths       []path   `json:"paths"`
}

// path is one way that a packet of the connection can take.
type path struct {
	From string `json:"from"`
	To   string `json:"to"`
	// Backend is where a Service sends it.
	Backend    string      `json:"backend,omitempty"`
	Verdict    verdict     `json:"verdict"`
	Judgements []judgement `json:"judgements"`
}

// judgement is what one pod's policy of one direction says.
type judgement struct {
	Verdict   verdict `json:"verdict"`
	Direction string  `json:"direction"`
	// Pod is whose policy it is; Peer the other side.
	Pod  string `json:"pod"`
	Node string `json:"node,omitempty"`
	Peer string `json:"peer"`
	// Address is the peer's, Port the destination's.
	Address string `json:"address"`
	Port    uint16 `json:"port,omitempty"`
	reason
	// WouldDeny is set where something on trial denies what passes (P23).
	WouldDeny *reason `json:"wouldDeny,omitempty"`
	// Patterns are those of the pod's rules that the name matches, whether or
	// not the rule is for the port. Nil where the question is about no name.
	Patterns *[]string `json:"patterns,omitempty"`
	// Lockdown is set where the pod may not even ask for the name (N9), unless
	// it is in one of the cluster's own zones, which CoreDNS knows.
	Lockdown *lockdown `json:"lockdown,omitempty"`
	// Terms are what policies say of the addresses learnt under some of them.
	Terms []patternTerms `json:"terms,omitempty"`
}

// lockdown is what keeps a pod from asking for a name.
type lockdown struct {
	By []policyPlace `json:"by"`
	// Audit says that the query is answered, and only counted.
	Audit bool `json:"audit,omitempty"`
}

func (l *lockdown) told() string {
	var by []string
	for _, p := range l.By {
		by = append(by, p.String())
	}
	text := "CoreDNS refuses the name to the pod, unless it is the cluster's own, by "
	if l.Audit {
		text = "CoreDNS would refuse the name to the pod (audit), unless it is the cluster's own, by "
	}
	return text + strings.Join(by, ", ")
}

// reason is why a verdict is as it is.
type reason struct {
	// Tier is empty where no policy can touch the connection.
	Tier string `json:"tier,omitempty"`
	// Policy and Rule are those that decided.
	Policy    *policyPlace `json:"policy,omitempty"`
	Rule      string       `json:"rule,omitempty"`
	RuleIndex *int         `json:"ruleIndex,omitempty"`
	// IsolatedBy is why the pod needs a rule that allows it, and has none.
	IsolatedBy []policyPlace `json:"isolatedBy,omitempty"`
	Why        string        `json:"why"`
}

func (j *judgement) preposition() string {
	if j.Direction == policy.Ingress.String() {
		return "from"
	}
	return "to"
}

// policyPlace is a policy and where it is written.
type policyPlace struct {
	Kind      string `json:"kind"`
	Group     string `json:"group"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	File      string `json:"file"`
	Line      int    `json:"line"`
}

func (c *cluster) policy(ref policy.PolicyRef) policyPlace {
	file, line := c.snapshot.Place(ref)
	return policyPlace{ref.Kind, ref.Group, ref.Namespace, ref.Name, file, line}
}

// ref is the policy as everything else of the project spells it.
func (p policyPlace) ref() string {
	return policy.PolicyRef{Group: p.Group, Kind: p.Kind, Namespace: p.Namespace, Name: p.Name}.String()
}

func (p policyPlace) place() string { return p.File + ":" + strconv.Itoa(p.Line) }

// policies are those that the verdict comes from.
func (r *reason) policies() []policyPlace {
	if r.Policy != nil {
		return []policyPlace{*r.Policy}
	}
	return r.IsolatedBy
}

func (p policyPlace) String() string { return p.ref() + " (" + p.place() + ")" }

// unite gives the verdict of the whole from those of its parts, for which all
// have to be the same.
func unite[T any](parts []T, of func(T) verdict) verdict {
	whole := of(parts[0])
	for _, part := range parts[1:] {
		if of(part) != whole {
			return mixed
		}
	}
	return whole
}

// settle gives the verdict of the path: it needs every direction.
func (p *path) settle() {
	p.Verdict = allow
	for _, j := range p.Judgements {
		if j.Verdict != allow {
			p.Verdict = deny
		}
	}
}
