package oracle

import (
	"math/rand/v2"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/hack/oracles/cluster"
)

// flowsPerCluster is how often one cluster is asked about: enough to pay for
// laying it out, too few to dwell on it.
const flowsPerCluster = 40

// Proof compares one oracle with the reference evaluator. Cluster i is drawn
// from the seed Seed + i, so that every cluster can be drawn first.
type Proof struct {
	Oracle *Oracle
	Seed   uint64

	Clusters uint64
	// Asked and Skipped are cases: flows of which both were asked, or the
	// oracle was not.
	Asked, Skipped int
	// Denied are the cases asked that are denied, as a sign that flows are
	// drawn well.
	Denied int
	// Masked counts the cases by mask: skipped, or asked in other words.
	Masked        map[*Mask]int
	Disagreements []Disagreement

	session *Session
}

// Disagreement is a case in which the oracle and nameward differ.
type Disagreement struct {
	Oracle *Oracle
	// Seed draws this cluster first.
	Seed    uint64
	Cluster *cluster.Cluster
	Flow    cluster.Flow
}

// Run tries clusters until enough says so, or there are disagreements enough
// to look at.
func (p *Proof) Run(enough func() bool) {
	if p.session == nil {
		p.session, p.Masked = p.Oracle.Open(), map[*Mask]int{}
	}
	for len(p.Disagreements) < 3 && !enough() {
		p.try(p.Seed + p.Clusters)
		p.Clusters++
	}
}

func (p *Proof) try(seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	c := cluster.Draw(random, p.Oracle.Kinds)
	p.session.Load(c)
	judge := cluster.NewJudge(c)
	for range flowsPerCluster {
		f := cluster.DrawFlow(random, c)
		answer := p.session.Ask(f)
		if answer.Skipped != nil {
			p.Skipped++
			p.Masked[answer.Skipped]++
			continue
		}
		p.Asked++
		for _, m := range p.session.Adjusted {
			p.Masked[m]++
		}
		ours := judge.Decide(f)
		if ours.Verdict != policy.Allow {
			p.Denied++
		}
		if differ(answer, ours) {
			p.Disagreements = append(p.Disagreements, Disagreement{p.Oracle, seed, c, f})
			return
		}
	}
}

func differ(answer Answer, ours policy.Decision) bool {
	return answer.Skipped == nil && (answer.Fault != nil || answer.Allowed != (ours.Verdict == policy.Allow))
}

// Shrink gives the smallest part of the cluster found in which both still
// differ about the flow.
func (d Disagreement) Shrink() Disagreement {
	session := d.Oracle.Open()
	d.Cluster = cluster.Shrink(d.Cluster, func(c *cluster.Cluster) bool {
		if !c.Holds(d.Flow) {
			return false
		}
		session.Load(c)
		return differ(session.Ask(d.Flow), cluster.NewJudge(c).Decide(d.Flow))
	})
	return d
}
