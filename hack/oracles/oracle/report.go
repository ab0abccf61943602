package oracle

import (
	"fmt"
	"strings"
	"time"

	"github.com/nameward/nameward/hack/oracles/cluster"
)

// Report tells what came of the proof, and shrinks what it found.
func (p *Proof) Report(took time.Duration) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s: %d cases in %d clusters, %.0f cases/s, seed %d, %d%% denied, %d disagreements\n",
		p.Oracle.Name, p.Asked, p.Clusters, float64(p.Asked)/took.Seconds(), p.Seed,
		100*p.Denied/max(p.Asked, 1), len(p.Disagreements))
	for _, m := range p.Oracle.Masks {
		how := "asked in other words"
		if m.Skips() {
			how = "not asked"
		}
		fmt.Fprintf(&out, "  masked %8d  %-20s  %s\n", p.Masked[m], how, m.What)
	}
	for _, d := range p.Disagreements {
		out.WriteString(d.Shrink().String())
	}
	return out.String()
}

// String gives the manifests, the flow and both answers.
func (d Disagreement) String() string {
	session := d.Oracle.Open()
	session.Load(d.Cluster)
	ours := cluster.NewJudge(d.Cluster).Decide(d.Flow)
	return fmt.Sprintf("\nDISAGREEMENT with %s, drawn by -oracle %s -seed %d:\n%s# flow: %s\n# nameward says %s: %s\n# the oracle says %s\n\n",
		d.Oracle.Name, d.Oracle.Name, d.Seed, d.Cluster.YAML(), d.Flow, ours.Verdict, ours.Why, session.Ask(d.Flow))
}
