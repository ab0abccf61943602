package report

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/nameward/nameward/enforcer/policy"
)

// BenchmarkAggregate is one conclusion of the elected enforcer: 5,000 Leases,
// 2,000 policies. "one" is a generation on its way, "quiet" nothing new.
func BenchmarkAggregate(b *testing.B) {
	policies := make([]Policy, 2000)
	for i := range policies {
		k := Kinds[1+i%3]
		policies[i] = Policy{Ref: policy.PolicyRef{Group: k.Group, Kind: k.Kind, Name: fmt.Sprint("p", i)}, UID: types.UID(fmt.Sprint(i)),
			Generation: 1, ResourceVersion: strconv.Itoa(10_000_000 + i)}
	}
	for _, behind := range []int{0, 2500} {
		b.Run(map[int]string{0: "quiet", 2500: "one"}[behind], func(b *testing.B) {
			applied := map[Kind]string{}
			for _, k := range Kinds {
				applied[k] = "10003000"
			}
			node := newLedger(nil, State{Policies: policies, Applied: applied})
			current := newReport(node, 0, noon)
			for k := range applied {
				applied[k] = "10001998"
			}
			old := newReport(newLedger(nil, State{Policies: policies, Applied: applied}), 0, noon)
			var names []string
			reports := map[string]heard{}
			for i := range 5000 {
				name := fmt.Sprintf("ip-10-0-%d-%d.ec2.internal", i/256, i%256)
				names = append(names, name)
				reports[name] = heard{current, noon}
				if i < behind {
					reports[name] = heard{old, noon}
				}
			}
			shared := book{ledger: newLedger(nil, State{Policies: policies})}
			q := newQueue()
			b.ReportAllocs()
			for b.Loop() {
				l := shared.lower(proofs(shared.newest(), reports))
				q.want(aggregate(l, callRoll(names, reports, noon)), noon)
				q.next(noon, tempoOf(5000))
			}
		})
	}
}

// BenchmarkSet is a State with new policies, of which one has changed.
func BenchmarkSet(b *testing.B) {
	policies := manyPolicies(2000)
	var have book
	b.ReportAllocs()
	for b.Loop() {
		have.set(State{Policies: append([]Policy(nil), policies...)})
	}
}

// BenchmarkClusterConditions creates and changes 2,000 policies on a real API
// server, with three nodes, and says how fast their conditions follow.
func BenchmarkClusterConditions(b *testing.B) {
	c := newCluster(b)
	c.lists = time.Second
	members := c.joinAll()
	writes := func() (n uint64) {
		for _, m := range members {
			n += m.Stats().StatusWrites
		}
		return n
	}
	const many = 2000
	for i := range many {
		c.create(ApplicationNetworkPolicy, fmt.Sprintf("p%d", i))
	}
	generation := int64(1)
	all := func() bool {
		done := 0
		err := c.api.policies(b.Context(), ApplicationNetworkPolicy, func(r *reviewed) {
			if r.Metadata.Namespace != c.namespace {
				return
			}
			for _, condition := range r.Status.Conditions {
				if condition.Type == typeEnforced && condition.Status == "True" && condition.ObservedGeneration == generation {
					done++
				}
			}
		})
		sleep(b.Context(), 500*time.Millisecond)
		return err == nil && done == many
	}
	first := time.Now()
	c.until("all are enforced", all)
	b.Logf("created; %d writes, %v later all are enforced", writes(), time.Since(first))
	for b.Loop() {
		before, began := writes(), time.Now()
		generation++
		for _, ref := range c.made {
			c.change(ref, fmt.Sprint("v", generation))
		}
		b.ReportMetric(many/time.Since(began).Seconds(), "changes/s")
		c.until("all are enforced again", all)
		b.ReportMetric(float64(writes()-before)/time.Since(began).Seconds(), "writes/s")
		b.ReportMetric(float64(writes()-before)/many, "writes/policy")
		b.ReportMetric(time.Since(began).Seconds(), "s/all")
	}
}
