package policy

import (
	"fmt"
	"slices"
	"testing"

	"github.com/nameward/nameward/plugin/names"
	"pgregory.net/rapid"
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
				agree(t, c, w, drawFlow(t, p))
			}
		}
	})
}

func drawFlow(t *rapid.T, p *Pod) Flow {
	f := Flow{
		Direction: pick(t, "direction", []Direction{Ingress, Egress}),
		Pod:       p,
		Peer:      pick(t, "peer", poolPeers),
		Protocol:  pick(t, "protocol", append([]uint8{1}, poolProtocols...)),
	}
	if f.Protocol != 1 {
		f.Port = pick(t, "port", poolPorts)
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
	if slices.Contains(f.Pod.Addresses, f.Peer) {
		return // P19 comes before the tables
	}
	ep := EndpointOf(f.Pod.Ref.UID)
	want := Evaluate(w, f)
	got := judge(c, ep, f)
	if got.Verdict != want.Verdict || got.Tier != want.Tier {
		t.Fatalf("%s\ngot  %+v\nwant %+v", describe(f), got, want)
	}
	if !got.Rule {
		if want.Rule != "" {
			t.Fatalf("%s\ngot no rule, want %+v", describe(f), want)
		}
		return
	}
	ref, ok := c.Explain(got.Policy, got.Tier, got.Index)
	if !ok {
		t.Fatalf("%s\nno rule explains %+v", describe(f), got)
	}
	// With a grant, any rule of the union may be the one that is named.
	if got.Tier == TierNetworkPolicy && len(f.Names) > 0 {
		return
	}
	if ref.Policy != want.Policy || ref.Rule() != want.Rule {
		t.Fatalf("%s\ngot  %v\nwant %v %s", describe(f), ref, want.Policy, want.Rule)
	}
}

// judge asks the tables with the grant that f.Names make for the pod.
func judge(c *Compiled, ep EndpointID, f Flow) Ruling {
	patterns := granted(c.Tables.Endpoints[ep], f.Names)
	if len(patterns) == 0 {
		return c.Tables.Judge(ep, f.Direction, f.Peer, f.Protocol, f.Port, 0)
	}
	for key, row := range c.NameRows(ep, patterns) {
		c.Tables.Rows[key] = row
	}
	return c.Tables.Judge(ep, f.Direction, f.Peer, f.Protocol, f.Port, c.NameClass(patterns))
}

func describe(f Flow) string {
	return fmt.Sprintf("%s of %s/%s %v, peer %s protocol %d port %d names %v",
		f.Direction, f.Pod.Ref.Namespace, f.Pod.Ref.Name, f.Pod.Addresses, f.Peer, f.Protocol, f.Port, f.Names)
}
