package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"pgregory.net/rapid"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/hack/prove/cluster"
	"github.com/nameward/nameward/hack/prove/kernel"
	"github.com/nameward/nameward/hack/prove/search"
)

const (
	kernelName  = "kernel"
	changesName = "changes"
)

// packetsPerApply balances writing to the kernel, which waits for grace
// periods, against judging.
const packetsPerApply = 5000

// nodes wait for grace periods of the kernel at the same time.
const nodes = 4

func inKernel(name string, o options, out io.Writer) (search.Result, error) {
	r, err := hunt(name, o)
	if err != nil {
		return r, err
	}
	report(out, r)
	return r, nil
}

func hunt(name string, o options) (search.Result, error) {
	all := search.New(name, o.budget, o.seed)
	join := func() error {
		return kernel.Inside(func(n *kernel.Node) error {
			if name == changesName {
				all.Join(throughChanges(n))
			} else {
				all.Join(inPrograms(n))
			}
			return nil
		})
	}
	errs := make([]error, nodes)
	var ended sync.WaitGroup
	for i := range errs {
		ended.Go(func() { errs[i] = join() })
	}
	ended.Wait()
	return all.End(), errors.Join(errs...)
}

// inPrograms proves that the programs in the kernel judge packets as the rules
// say, with one cluster after the other in the same tables.
func inPrograms(n *kernel.Node) search.Property {
	return func(t *rapid.T, c *search.Case) {
		cl := cluster.Draw(t)
		w := cl.World()
		compiled := policy.Compile(w)
		if n.Compiled() != nil {
			compiled = n.Compiled().Next(w)
		}
		if err := n.Apply(w, compiled); err != nil {
			c.Fail(t, "the kernel refuses the policy", cl.YAML()+"\n"+err.Error())
		}
		if err := n.Teach(w, cl.Lessons); err != nil {
			c.Fail(t, "the kernel refuses a grant", cl.YAML()+"\n"+err.Error())
		}
		packets := cl.Packets(drawRandom(t), packetsPerApply)
		if f, ok := c.Focus.(cluster.Packet); ok {
			packets = []cluster.Packet{f}
		}
		for _, p := range packets {
			flow, ok := p.Flow(w)
			if !ok {
				continue
			}
			c.Judged++
			got, would, err := n.Judge(flow)
			if err != nil {
				c.Fail(t, "the kernel does not run the program", cl.YAML()+"\npacket: "+p.String()+"\n"+err.Error())
			}
			if wrong := differ(w, flow, got, would); wrong != "" {
				c.Focus = p
				c.Fail(t, "programs and rules differ", cl.YAML()+"\npacket: "+p.String()+"\n"+wrong)
			}
		}
	}
}

// differ says where the kernel and the rules differ about one flow, or "".
func differ(w *policy.World, f policy.Flow, got, would datapath.Reason) string {
	want := policy.Decisions(w, f, false)
	if !slices.ContainsFunc(want, func(d policy.Decision) bool { return told(got, d) }) {
		return fmt.Sprintf("kernel: %v in tier %v: %v\n%s", got.Verdict(), got.Tier(), got, listed("rules", want))
	}
	tried := policy.Decisions(w, f, true)
	reported := would != datapath.Reason{}
	if should := want[0].Verdict == policy.Allow && tried[0].Verdict == policy.Deny; reported != should ||
		reported && !slices.ContainsFunc(tried, func(d policy.Decision) bool { return would.Tier() == d.Tier }) {
		return fmt.Sprintf("kernel, with what is on trial: %v in tier %v (%v), if it drops\n%s",
			would, would.Tier(), reported, listed("rules", tried))
	}
	return ""
}

// told says whether the kernel's reason is the decision.
func told(got datapath.Reason, d policy.Decision) bool {
	return got.Verdict() == d.Verdict && got.Tier() == d.Tier
}
