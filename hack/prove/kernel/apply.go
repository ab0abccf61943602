package kernel

import (
	"errors"
	"maps"
	"net/netip"
	"slices"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/hack/prove/cluster"
	"github.com/nameward/nameward/plugin/names"
)

// Apply brings the compiled World into the kernel. On error it can be called
// again with the same.
func (n *Node) Apply(w *policy.World, compiled *policy.Compiled) error {
	interfaces := make(map[policy.EndpointID]datapath.Interface)
	for _, p := range w.Pods {
		if cluster.Policed(w, p) {
			interfaces[policy.EndpointOf(p.Ref.UID)] = datapath.Interface{Name: p.Interface}
		}
	}
	// What is tried again is the same update, as in the enforcer.
	if n.pending != compiled {
		n.pending, n.tried = compiled, n.steps(n.compiled, compiled)
	}
	if err := n.datapath.Apply(n.tried, interfaces); err != nil {
		return errors.Join(err, n.recount())
	}
	n.pending, n.tried = nil, nil
	n.forget(compiled)
	if n.trial == nil {
		var err error
		if n.trial, err = n.datapath.NewTrial(); err != nil {
			return err
		}
	}
	n.compiled = compiled
	return nil
}

// recount drops what the kernel does not hold: an attempt that failed may have
// removed pods that a later one brings back, with nothing.
func (n *Node) recount() error {
	granted, err := n.datapath.Granted()
	if err != nil {
		return err
	}
	there := make(map[holding]bool)
	for _, g := range granted {
		there[holding{g.Endpoint, g.Addr}] = true
	}
	maps.DeleteFunc(n.held, func(h holding, _ grant) bool { return !there[h] })
	return nil
}

// forget drops what pods held that are no more.
func (n *Node) forget(compiled *policy.Compiled) {
	maps.DeleteFunc(n.held, func(h holding, _ grant) bool {
		_, after := compiled.Tables.Endpoints[h.endpoint]
		return !after
	})
}

// steps are those of the enforcer's updates: the rows of all name classes that
// entries hold are there all the way.
func (n *Node) steps(from, to *policy.Compiled) []*policy.Tables {
	last := *to.Tables
	last.NameRows = map[policy.RowKey]policy.Precedence{}
	for h, g := range n.held {
		maps.Copy(last.NameRows, to.NameRows(h.endpoint, g.patterns))
	}
	if from == nil {
		return []*policy.Tables{&last}
	}
	between := policy.Transition(from, to)
	between.NameRows = maps.Clone(last.NameRows)
	for h, g := range n.held {
		maps.Copy(between.NameRows, policy.TransitionNameRows(from, to, h.endpoint, g.patterns))
	}
	return []*policy.Tables{between, &last}
}

// Teach has pods hold what they have learnt by the lessons, and nothing else.
func (n *Node) Teach(w *policy.World, lessons []cluster.Lesson) error {
	want := map[holding]grant{}
	for _, l := range lessons {
		pod := cluster.Subject(w, l.Pod)
		if pod == nil {
			continue
		}
		ep := policy.EndpointOf(pod.Ref.UID)
		if patterns := Granted(n.compiled.Tables.Endpoints[ep], l.Names); len(patterns) > 0 {
			want[holding{ep, l.Peer}] = grant{patterns, l.Expired}
		}
	}
	for h, g := range want {
		if have, ok := n.held[h]; ok && slices.Equal(have.patterns, g.patterns) && have.expired == g.expired {
			continue
		}
		if err := n.grant(h, g); err != nil {
			return err
		}
	}
	for h := range n.held {
		if _, ok := want[h]; !ok {
			if err := n.datapath.Revoke(h.endpoint, []netip.Addr{h.addr}); err != nil {
				return err
			}
			delete(n.held, h)
		}
	}
	return nil
}

func (n *Node) grant(h holding, g grant) error {
	expires := datapath.Now() + lasting
	if g.expired {
		expires = datapath.Now() - past
	}
	err := n.datapath.Grant(h.endpoint, n.compiled.NameRows(h.endpoint, g.patterns), []datapath.Entry{{
		Addr: h.addr, Class: n.compiled.NameClass(g.patterns), Expires: expires,
	}})
	if err == nil {
		n.held[h] = g
	}
	return err
}

// Held gives the patterns of the pod's entry for the address, expired or not.
func (n *Node) Held(uid string, addr netip.Addr) []string {
	return n.held[holding{policy.EndpointOf(uid), addr}].patterns
}

// Granted gives the patterns of the pod that admit one of the names.
func Granted(e policy.Endpoint, learnt []string) []string {
	var found []string
	for _, text := range e.Patterns {
		p, err := names.Parse(text)
		if err == nil && slices.ContainsFunc(learnt, p.Matches) {
			found = append(found, text)
		}
	}
	return found
}
