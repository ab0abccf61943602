package oracle

import (
	"flag"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/nameward/nameward/hack/oracles/cluster"
)

var seed = flag.Uint64("seed", 0, "seed of the fresh proof; 0 takes one by chance")

// casesPerProof is the fixed budget of a test.
const casesPerProof = 4000

// P3, P4, P6, P10-P13, P15-P20: nameward agrees with models that others wrote.
func TestProof(t *testing.T) {
	fresh := *seed
	if fresh == 0 {
		fresh = rand.Uint64N(1 << 48)
	}
	for _, o := range All() {
		for name, seed := range map[string]uint64{"fixed": 1, "fresh": fresh} {
			t.Run(o.Name+"/"+name, func(t *testing.T) {
				p := &Proof{Oracle: o, Seed: seed}
				start := time.Now()
				p.Run(func() bool { return p.Asked >= casesPerProof })
				report := p.Report(time.Since(start))
				t.Log(report)
				if len(p.Disagreements) > 0 {
					t.Errorf("got %d disagreements, want none\n%s", len(p.Disagreements), report)
				}
			})
		}
	}
}

// TestProofReachesEverything: no mask is idle, no kind of decision missing.
func TestProofReachesEverything(t *testing.T) {
	for _, o := range All() {
		p := &Proof{Oracle: o, Seed: 1}
		p.Run(func() bool { return p.Asked >= casesPerProof })
		for _, m := range o.Masks {
			if p.Masked[m] == 0 {
				t.Errorf("%s: got no case for the mask %q, want some", o.Name, m.What)
			}
		}
		if share := 100 * p.Denied / p.Asked; share < 10 || share > 90 {
			t.Errorf("%s: got %d%% denied, want flows of either kind", o.Name, share)
		}
		if p.Skipped > p.Asked {
			t.Errorf("%s: got %d cases skipped and %d asked, want masks narrow", o.Name, p.Skipped, p.Asked)
		}
	}
}

// lying is an oracle that is wrong about one port.
func lying() *Oracle {
	o := NetworkPolicies()
	honest := o.open
	o.open = func() engine { return liar{honest()} }
	return o
}

type liar struct{ engine }

func (l liar) allows(f cluster.Flow) bool {
	return l.engine.allows(f) != (f.Port == 80 && f.Protocol == corev1.ProtocolTCP)
}

// TestProofFindsFaults: a wrong answer is found, made small, told as
// manifests, and found again from the seed that is printed.
func TestProofFindsFaults(t *testing.T) {
	p := &Proof{Oracle: lying(), Seed: 1}
	p.Run(func() bool { return p.Asked >= casesPerProof })
	if len(p.Disagreements) == 0 {
		t.Fatal("got no disagreement with an oracle that lies, want some")
	}
	d := p.Disagreements[0]
	small := d.Shrink()
	if n := len(small.Cluster.Pods); n != 1 || len(small.Cluster.NetworkPolicies)+len(small.Cluster.Namespaces) > 0 {
		t.Errorf("got this, want the pod of the flow alone:\n%s", small)
	}
	text := small.String()
	for _, want := range []string{"kind: Pod", "# flow: ", d.Flow.String(), "# nameward says ", "# the oracle says ", "-seed "} {
		if !strings.Contains(text, want) {
			t.Errorf("got this, want %q in it:\n%s", want, text)
		}
	}
	again := &Proof{Oracle: lying(), Seed: d.Seed}
	again.Run(func() bool { return again.Clusters > 0 })
	if len(again.Disagreements) == 0 || again.Disagreements[0].Flow != d.Flow {
		t.Errorf("seed %d: got %v, want the flow %v first", d.Seed, again.Disagreements, d.Flow)
	}
}

// TestDrawIsRepeatable: a seed makes the same cluster and flows, always.
func TestDrawIsRepeatable(t *testing.T) {
	draw := func() string {
		random := rand.New(rand.NewPCG(7, 0))
		c := cluster.Draw(random, cluster.Kinds{Namespaced: true, Cluster: true})
		return c.YAML() + cluster.DrawFlow(random, c).String()
	}
	if one, two := draw(), draw(); one != two {
		t.Errorf("got two clusters from one seed:\n%s\n%s", one, two)
	}
}

func BenchmarkOracles(b *testing.B) {
	for _, o := range All() {
		b.Run(o.Name, func(b *testing.B) {
			b.ReportAllocs()
			p := &Proof{Oracle: o, Seed: 1}
			for p.Asked < b.N {
				p.Run(func() bool { return p.Asked >= b.N })
			}
			b.ReportMetric(float64(p.Asked)/b.Elapsed().Seconds(), "cases/s")
		})
	}
}
