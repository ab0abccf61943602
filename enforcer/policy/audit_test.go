package policy

import (
	"net/netip"
	"testing"
)

func onTrial(p Policy) Policy {
	p.Audit = true
	return p
}

// P23: what is on trial neither isolates, allows nor denies; what it would do
// is known all the same.
func TestAudit(t *testing.T) {
	admin := cluster(TierAdmin, 1, "admin", deny(block("192.0.2.0/24")))
	team := network("team", accept(block("198.51.100.0/24")))
	for _, c := range []struct {
		sentence    string
		policies    []Policy
		change      func(*World)
		peer        string
		want, would Verdict
	}{
		{"an isolating policy on trial lets pass", []Policy{onTrial(team)}, nil, "8.8.8.8", Allow, Deny},
		{"what it allows is no news", []Policy{onTrial(team)}, nil, "198.51.100.1", Allow, Allow},
		{"an Admin Deny on trial lets pass", []Policy{onTrial(admin)}, nil, "192.0.2.1", Allow, Deny},
		{"an Admin Deny in force drops whatever else is on trial", []Policy{admin, onTrial(team)}, nil, "192.0.2.1", Deny, Deny},
		{"a policy in force isolates beside one on trial", []Policy{team, onTrial(network("more", accept(block("203.0.113.0/24"))))}, nil,
			"203.0.113.1", Deny, Allow},
		{"a node default on trial lets pass", nil, func(w *World) { w.Default, w.AuditDefault = Deny, true }, "8.8.8.8", Allow, Deny},
		{"a node default on trial in the pod's namespace too", nil,
			func(w *World) { w.Default, w.AuditNamespaces = Deny, map[string]bool{"shop": true} }, "8.8.8.8", Allow, Deny},
		{"in another namespace it drops", nil,
			func(w *World) { w.Default, w.AuditNamespaces = Deny, map[string]bool{"lab": true} }, "8.8.8.8", Deny, Deny},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			w := scene(c.policies...)
			if c.change != nil {
				c.change(w)
			}
			f := packet{peer: c.peer, port: 80}.flow(t, w)
			tables, ep := Compile(w).Tables, EndpointOf("web")
			for _, by := range []struct {
				name      string
				got, want Verdict
			}{
				{"rules", Evaluate(w, f).Verdict, c.want},
				{"rules, with what is on trial", EvaluateAudit(w, f).Verdict, c.would},
				{"tables", tables.Judge(ep, Egress, f.Peer, f.Protocol, f.Port, 0).Verdict, c.want},
				{"tables, with what is on trial", tables.Audit(ep, Egress, f.Peer, f.Protocol, f.Port, 0).Verdict, c.would},
			} {
				if by.got != by.want {
					t.Errorf("%s: got %v, want %v", by.name, by.got, by.want)
				}
			}
			if got, want := tables.Endpoints[ep].Audited, c.want != c.would || len(c.policies) > 0 && c.policies[len(c.policies)-1].Audit; got != want {
				t.Errorf("audited: got %v, want %v", got, want)
			}
		})
	}
}

// P23: a name of a policy on trial is learnt, so that what it allows is not
// reported as denied.
func TestAuditedNames(t *testing.T) {
	c := Compile(scene(onTrial(network("team", accept(name("example.com"))))))
	ep := EndpointOf("web")
	e := c.Tables.Endpoints[ep]
	if len(e.Patterns) != 1 {
		t.Fatalf("patterns: got %v, want example.com", e.Patterns)
	}
	tables := *c.Tables
	tables.NameRows = c.NameRows(ep, e.Patterns)
	peer := netip.MustParseAddr("203.0.113.1")
	if got := tables.Audit(ep, Egress, peer, protocolTCP, 80, c.NameClass(e.Patterns)); got.Verdict != Allow {
		t.Errorf("with the grant: got %+v, want it allowed", got)
	}
	if got := tables.Audit(ep, Egress, peer, protocolTCP, 80, 0); got.Verdict != Deny {
		t.Errorf("without: got %+v, want it denied", got)
	}
	by := c.AuditIsolatedBy(ep, Egress)
	if len(by) != 1 || by[0].Name != "team" || len(c.IsolatedBy(ep, Egress)) != 0 {
		t.Errorf("isolated by: got %v in force and %v on trial, want none and team", c.IsolatedBy(ep, Egress), by)
	}
}
