// Package oracle asks models of others about flows and holds their answers
// against those of the reference evaluator. It knows how each model is asked
// and where each is known to be wrong: every such place is a Mask, with its
// reason, as narrow as possible, and counted. It must not know what package
// policy does beyond its answer.
//
// The models are cyclonus' matcher and the engine of kube-network-policies,
// alone and with its plugin for ClusterNetworkPolicy. None of them looks up
// pods or names: which pod has an address and which addresses a name has is
// laid before them (cluster.PodAt, cluster.NamesOf).
package oracle

import (
	"fmt"
	"slices"

	"github.com/nameward/nameward/hack/oracles/cluster"
)

// Oracle is a model that somebody else wrote.
type Oracle struct {
	// Name is for people and for the command line.
	Name string
	// Kinds are the policies that it knows.
	Kinds cluster.Kinds
	// Masks are its known faults.
	Masks []*Mask
	open  func() engine
}

// engine is a model with a cluster laid before it, again and again.
type engine interface {
	// load takes the cluster. The engine works around no fault whose mask is
	// in off.
	load(c *cluster.Cluster, off []*Mask)
	// allows answers for one direction of the flow.
	allows(f cluster.Flow) bool
}

// All are the oracles.
func All() []*Oracle { return []*Oracle{Cyclonus(), NetworkPolicies(), ClusterPolicies()} }

// Session is an oracle with a cluster laid before it.
type Session struct {
	oracle *Oracle
	engine engine
	off    []*Mask
	// cluster is as it was drawn, told as it was laid before the oracle.
	cluster *cluster.Cluster
	// Adjusted are the masks that changed the cluster.
	Adjusted []*Mask
	fault    error
}

// Open starts the oracle. It is not safe for concurrent use.
func (o *Oracle) Open(off ...*Mask) *Session { return &Session{oracle: o, engine: o.open(), off: off} }

// Load lays a cluster before the oracle, adjusted where a fault of the oracle
// would spoil every answer.
func (s *Session) Load(c *cluster.Cluster) {
	s.cluster, s.Adjusted, s.fault = c, nil, nil
	told := c.Copy()
	for _, m := range s.oracle.Masks {
		if m.adjust != nil && !slices.Contains(s.off, m) && m.adjust(told) {
			s.Adjusted = append(s.Adjusted, m)
		}
	}
	s.fault = recovered(func() { s.engine.load(told, s.off) })
}

// Answer is what an oracle says of one flow.
type Answer struct {
	Allowed bool
	// Skipped is the mask under which the oracle was not asked, or nil.
	Skipped *Mask
	// Fault is a panic of the oracle.
	Fault error
}

// String tells the answer to people.
func (a Answer) String() string {
	switch {
	case a.Skipped != nil:
		return "not asked: " + a.Skipped.What
	case a.Fault != nil:
		return a.Fault.Error()
	case a.Allowed:
		return "allow"
	}
	return "deny"
}

// Ask asks for one direction of the flow.
func (s *Session) Ask(f cluster.Flow) Answer {
	for _, m := range s.oracle.Masks {
		if m.skip != nil && !slices.Contains(s.off, m) && m.skip(s.cluster, f) {
			return Answer{Skipped: m}
		}
	}
	answer := Answer{Fault: s.fault}
	if answer.Fault == nil {
		answer.Fault = recovered(func() { answer.Allowed = s.engine.allows(f) })
	}
	return answer
}

// recovered makes an error of a panic, since oracles panic at what they do not
// like.
func recovered(do func()) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the oracle panics: %v", cause)
		}
	}()
	do()
	return nil
}
