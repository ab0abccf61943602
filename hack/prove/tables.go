package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/hack/prove/cluster"
	"github.com/nameward/nameward/hack/prove/kernel"
	"github.com/nameward/nameward/hack/prove/search"
)

const tablesName = "tables"

// packetsPerCluster balances drawing and compiling against judging.
const packetsPerCluster = 300

// tables proves that compiled tables say what the rules say, down to the rule,
// and that the tables that follow on others are those of a fresh compile.
func tables(t *rapid.T, c *search.Case) {
	one := cluster.Draw(t)
	w := one.World()
	compiled := policy.Compile(w)
	agree(t, c, one, w, compiled, "")
	story := one.YAML()
	for range rapid.IntRange(0, 4).Draw(t, "changes") {
		next, what := one.Change(t)
		story += "\n# then: " + strings.Join(what, ", ") + "\n"
		w = next.WorldAfter(w)
		followed, fresh := compiled.Next(w), policy.Compile(w)
		if !reflect.DeepEqual(plain(followed.Tables), plain(fresh.Tables)) {
			c.Fail(t, "Next gives other tables than Compile",
				story+next.YAML()+fmt.Sprintf("\nNext:    %+v\nCompile: %+v\n", followed.Tables, fresh.Tables))
		}
		agree(t, c, next, w, followed, story)
		story += next.YAML()
		one, compiled = next, followed
	}
}

// plainTables are Tables whose pages, which depend on the way that led to them,
// are none.
type plainTables struct {
	policy.Tables
	addresses map[netip.Addr]policy.Peer
	services  map[policy.ServiceKey]policy.Targets
}

func plain(t *policy.Tables) plainTables {
	bare := *t
	bare.Addresses, bare.Services = policy.Tables{}.Addresses, policy.Tables{}.Services
	return plainTables{bare, maps.Collect(t.Addresses.All()), maps.Collect(t.Services.All())}
}

// agree compares the tables with the rules for packets of the cluster.
func agree(t *rapid.T, c *search.Case, cl *cluster.Cluster, w *policy.World, compiled *policy.Compiled, before string) {
	packets := cl.Packets(drawRandom(t), packetsPerCluster)
	if f, ok := c.Focus.(cluster.Packet); ok {
		packets = []cluster.Packet{f}
	}
	for _, p := range packets {
		flow, ok := p.Flow(w)
		if !ok || flow.Direction == policy.Egress && slices.Contains(flow.Pod.Addresses, p.Peer) {
			continue // P19 comes before the tables
		}
		c.Judged++
		for _, audit := range []bool{false, true} {
			if wrong := compare(compiled, w, flow, audit); wrong != "" {
				c.Focus = p
				c.Fail(t, "tables and rules differ", before+cl.YAML()+"\npacket: "+p.String()+"\n"+wrong)
			}
		}
	}
}

// drawRandom gives what packets are drawn from, thousands of them at a price
// that drawing each as a part of the case would not have.
func drawRandom(t *rapid.T) *rand.Rand {
	return rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "packets"), 0))
}

// compare says where the tables and the rules differ about one flow, or "";
// with audit about what would be, were everything in force (P23). Of several
// backends of a Service any may be told of.
func compare(compiled *policy.Compiled, w *policy.World, f policy.Flow, audit bool) string {
	want, got, on := policy.Decisions(w, f, audit), judge(compiled, f, audit), ""
	if audit {
		on = " (with what is on trial)"
	}
	var ref policy.RuleRef
	if got.Rule {
		var ok bool
		if ref, ok = compiled.Explain(got.List, got.Index); !ok {
			return fmt.Sprintf("tables%s: nothing explains %+v\n%s", on, got, listed("rules", want))
		}
	}
	for _, d := range want {
		if got.Verdict != d.Verdict || got.Tier != d.Tier {
			continue
		}
		if got.Rule && ref.Policy == d.Policy && ref.Rule() == d.Rule || !got.Rule && d.Rule == "" {
			return ""
		}
	}
	return fmt.Sprintf("tables%s: %v in tier %v by %v\n%s", on, got.Verdict, got.Tier, ref, listed("rules", want))
}

// listed tells of decisions, a line for each.
func listed(whose string, all []policy.Decision) string {
	var text strings.Builder
	for _, d := range all {
		fmt.Fprintf(&text, "%s: %v in tier %v: %s\n", whose, d.Verdict, d.Tier, d.Why)
	}
	return text.String()
}

// judge asks the tables with the grant that the flow's names make.
func judge(compiled *policy.Compiled, f policy.Flow, audit bool) policy.Ruling {
	ep := policy.EndpointOf(f.Pod.Ref.UID)
	tables := *compiled.Tables
	patterns := kernel.Granted(tables.Endpoints[ep], f.Names)
	tables.NameRows = compiled.NameRows(ep, patterns)
	ask := tables.Judge
	if audit {
		ask = tables.Audit
	}
	return ask(ep, f.Direction, f.Peer, f.Protocol, f.Port, compiled.NameClass(patterns))
}
