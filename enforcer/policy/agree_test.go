package policy

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/nameward/nameward/plugin/names"
)

// P2 to P20: what the tables say is what the rules say, for every pod and in
// both directions, down to the rule that decided.
func TestTablesAgreeWithRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		c := Compile(w)
		for i := range w.Pods {
			p := w.Pods[i]
			_, policed := c.Tables.Endpoints[EndpointOf(p.Ref.UID)]
			if want := p.Node == w.Node && !p.HostNetwork && !p.Finished; policed != want {
				t.Fatalf("pod %v is an endpoint: got %v, want %v", p.Ref, policed, want)
			}
			if !policed {
				continue
			}
			for range 12 {
				agree(t, c, w, drawFlow(t, w, p))
			}
		}
	})
}

func drawFlow(t *rapid.T, w *World, p *Pod) Flow {
	f := Flow{
		Direction: pick(t, "direction", []Direction{Ingress, Egress}),
		Pod:       p,
		Peer:      pick(t, "peer", poolPeers),
		Protocol:  pick(t, "protocol", append([]uint8{1}, poolProtocols...)),
	}
	if f.Protocol != 1 {
		f.Port = pick(t, "port", poolPorts)
	}
	if f.Direction == Egress && len(w.Services) > 0 && chance(t, "to a Service", 3) {
		s := pick(t, "which Service", w.Services)
		if len(s.Addresses) > 0 && len(s.Ports) > 0 {
			port := pick(t, "which port", s.Ports)
			f.Peer, f.Protocol, f.Port = pick(t, "at which address", s.Addresses), port.Protocol, port.Port
		}
	}
	if f.Direction == Egress && chance(t, "resolved", 2) {
		f.Names = rapid.SliceOfNDistinct(rapid.SampledFrom(poolNames), 1, 3, rapid.ID[string]).Draw(t, "names")
	}
	return f
}

// granted gives the patterns of the pod that admit one of the names.
func granted(e Endpoint, learnt []string) []string {
	var found []string
	for _, text := range e.Patterns {
		p, err := names.Parse(text)
		if err != nil {
			panic(err)
		}
		if slices.ContainsFunc(learnt, p.Matches) {
			found = append(found, text)
		}
	}
	return found
}

func agree(t *rapid.T, c *Compiled, w *World, f Flow) {
	t.Helper()
	if f.Direction == Egress && slices.Contains(f.Pod.Addresses, f.Peer) {
		return // P19 comes before the tables
	}
	ep := EndpointOf(f.Pod.Ref.UID)
	agreed(t, c, f, judge(c, ep, f), Decisions(w, f, false))
	agreed(t, c, f, audit(c, ep, f), Decisions(w, f, true))
}

// agreed holds a ruling to what the rules say: of several backends of a Service
// any may be the one that is told of.
func agreed(t *rapid.T, c *Compiled, f Flow, got Ruling, want []Decision) {
	t.Helper()
	ref, ok := RuleRef{}, true
	if got.Rule {
		ref, ok = c.Explain(got.List, got.Index)
	}
	if !ok {
		t.Fatalf("%s\nno rule explains %+v", describe(f), got)
	}
	if !slices.ContainsFunc(want, func(d Decision) bool {
		return agrees(got, d) && (!got.Rule && d.Rule == "" || got.Rule && ref.Policy == d.Policy && ref.Rule() == d.Rule)
	}) {
		t.Fatalf("%s\ngot  %+v %v\nwant one of %+v", describe(f), got, ref, want)
	}
}

// agrees says whether both give the same verdict for the same tier.
func agrees(got Ruling, d Decision) bool { return got.Verdict == d.Verdict && got.Tier == d.Tier }

// judge asks the tables with the grant that f.Names make for the pod.
func judge(c *Compiled, ep EndpointID, f Flow) Ruling {
	tables, class := withGrant(c, ep, f)
	return tables.Judge(ep, f.Direction, f.Peer, f.Protocol, f.Port, class)
}

// audit is judge with everything in force.
func audit(c *Compiled, ep EndpointID, f Flow) Ruling {
	tables, class := withGrant(c, ep, f)
	return tables.Audit(ep, f.Direction, f.Peer, f.Protocol, f.Port, class)
}

func withGrant(c *Compiled, ep EndpointID, f Flow) (*Tables, ClassID) {
	tables := *c.Tables
	patterns := granted(c.Tables.Endpoints[ep], f.Names)
	tables.NameRows = c.NameRows(ep, patterns)
	return &tables, c.NameClass(patterns)
}

func describe(f Flow) string {
	return fmt.Sprintf("%s of %s/%s %v, peer %s protocol %d port %d names %v",
		f.Direction, f.Pod.Ref.Namespace, f.Pod.Ref.Name, f.Pod.Addresses, f.Peer, f.Protocol, f.Port, f.Names)
}
