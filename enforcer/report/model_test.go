package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/nameward/nameward/enforcer/policy"
)

// server is a model of the API server: objects of one kind, and at which version
// each generation appeared.
type server struct {
	version  int
	objects  map[types.UID]Policy
	appeared map[string]int
	// views are all states there were, by version.
	views map[int][]Policy
}

func newServer() *server {
	return &server{version: 10, objects: map[types.UID]Policy{}, appeared: map[string]int{}, views: map[int][]Policy{10: nil}}
}

func generationKey(p Policy) string { return fmt.Sprintf("%s/%d", p.UID, p.Generation) }

func (s *server) put(p Policy) {
	s.version++
	p.ResourceVersion = strconv.Itoa(s.version)
	if _, ok := s.appeared[generationKey(p)]; !ok {
		s.appeared[generationKey(p)] = s.version
	}
	s.objects[p.UID] = p
	s.keep()
}

func (s *server) named(name string) (Policy, bool) {
	for _, p := range s.objects {
		if p.Ref.Name == name {
			return p, true
		}
	}
	return Policy{}, false
}

func (s *server) keep() {
	s.views[s.version] = slices.SortedFunc(maps.Values(s.objects), func(a, b Policy) int { return comparePolicies(a.Ref, b.Ref) })
}

// fleetNode is a model of an enforcer: how far it has seen and applied, and the
// Lease that it wrote last.
type fleetNode struct {
	name          string
	seen, applied int
	ledger        *ledger
	lease         *nodeReport
}

func (n *fleetNode) state(s *server) State {
	return State{Policies: s.views[n.seen], Applied: map[Kind]string{ClusterNetworkPolicy: strconv.Itoa(n.applied)}}
}

func (n *fleetNode) restart() { n.ledger = nil }

func (n *fleetNode) report(now time.Time) {
	r := newReport(n.ledger, 0, now)
	if n.lease == nil || r.says(*n.lease) {
		n.lease = &r
	}
}

type fleet struct {
	server *server
	nodes  []*fleetNode
	book   book // of the elected
	seen   int
	now    time.Time
}

// step does something at random: objects change, nodes follow, apply, report,
// restart, and another enforcer is elected.
func (f *fleet) step(t *rapid.T) {
	s := f.server
	name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "policy")
	n := rapid.SampledFrom(f.nodes).Draw(t, "node")
	p, exists := s.named(name)
	switch rapid.SampledFrom([]string{"spec", "status", "delete", "see", "apply", "report", "restart", "elect", "look"}).Draw(t, "step") {
	case "spec":
		if !exists {
			p.Ref = policy.PolicyRef{Group: ClusterNetworkPolicy.Group, Kind: ClusterNetworkPolicy.Kind, Name: name}
			p.UID = types.UID(name + strconv.Itoa(s.version)) // a UID is never used again
		}
		p.Generation++
		s.put(p)
	case "status":
		if exists {
			s.put(p)
		}
	case "delete":
		if exists {
			delete(s.objects, p.UID)
			s.version++
			s.keep()
		}
	case "see":
		n.seen = rapid.IntRange(n.seen, s.version).Draw(t, "seen")
		n.ledger = newLedger(n.ledger, n.state(s))
	case "apply":
		n.applied = rapid.IntRange(n.applied, n.seen).Draw(t, "applied")
		n.ledger = newLedger(n.ledger, n.state(s))
	case "report":
		if n.ledger != nil {
			n.report(f.now)
		}
	case "restart":
		n.restart()
		n.ledger = newLedger(nil, n.state(s))
	case "elect":
		f.book = book{}
		f.look()
	case "look":
		f.seen = rapid.IntRange(f.seen, s.version).Draw(t, "looked")
		f.look()
	}
}

func (f *fleet) look() { f.book.set(State{Policies: f.server.views[f.seen]}) }

// conclude is what the elected enforcer does with the Leases.
func (f *fleet) conclude() (*ledger, *roll) {
	reports := map[string]heard{}
	var names []string
	for _, n := range f.nodes {
		names = append(names, n.name)
		if n.lease != nil {
			r, err := decodeReport(n.lease.encode())
			if err != nil {
				panic(err)
			}
			reports[n.name] = heard{r, f.now}
		}
	}
	return f.book.lower(proofs(f.book.newest(), reports)), callRoll(names, reports, f.now)
}

// TestCountedNodesEnforce: whatever happens, a node that is counted for a
// generation has it in its kernel, and when all is quiet every node is counted,
// also by an enforcer that was elected just now (S4).
func TestCountedNodesEnforce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &fleet{server: newServer(), seen: 10, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
		for i := range rapid.IntRange(1, 4).Draw(t, "nodes") {
			n := &fleetNode{name: fmt.Sprintf("n%d", i), seen: 10, applied: 10}
			n.ledger = newLedger(nil, n.state(f.server))
			f.nodes = append(f.nodes, n)
		}
		f.look()
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			f.step(t)
			f.holdsTrue(t)
		}
		f.settle()
		l, r := f.conclude()
		for _, w := range aggregate(l, r) {
			if w.enforced.status != meta.ConditionTrue {
				t.Fatalf("%s generation %d: got %+v in quiet, want every node counted", w.policy.UID, w.policy.Generation, w.enforced)
			}
		}
	})
}

func (f *fleet) holdsTrue(t *rapid.T) {
	l, r := f.conclude()
	applied := map[string]int{}
	for _, n := range f.nodes {
		applied[n.name] = n.applied
	}
	for i := range l.entries {
		p := l.state.Policies[i]
		appeared := f.server.appeared[generationKey(p)]
		all := r.kinds[ClusterNetworkPolicy]
		for _, s := range all[:reached(all, l.entries[i].since)] {
			if applied[s.node] < appeared {
				t.Fatalf("%s is counted for %s, which appeared at %d, and has applied %d", s.node, generationKey(p), appeared, applied[s.node])
			}
		}
	}
}

// settle lets everybody catch up, and statuses be written meanwhile.
func (f *fleet) settle() {
	for _, n := range f.nodes {
		n.seen, n.applied = f.server.version, f.server.version
		n.ledger = newLedger(n.ledger, n.state(f.server))
		n.report(f.now)
	}
	for _, p := range f.server.views[f.server.version] {
		f.server.put(p)
	}
	f.seen = f.server.version
	f.book = book{}
	f.look()
}

// TestEnforcedIsTheCount: the sorted standings give what counting one by one does.
func TestEnforcedIsTheCount(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		since := version(strconv.Itoa(rapid.IntRange(1, 30).Draw(t, "since")))
		reports := map[string]heard{}
		var names []string
		count := 0
		for i := range rapid.IntRange(0, 8).Draw(t, "nodes") {
			name := fmt.Sprintf("n%d", i)
			names = append(names, name)
			if rapid.Bool().Draw(t, "never reported") {
				continue
			}
			v := rapid.SampledFrom([]string{"", "5", "9", "10", "29", "100"}).Draw(t, "version")
			age := rapid.SampledFrom([]time.Duration{0, overdue, overdue + 1}).Draw(t, "age")
			leaks := rapid.IntRange(0, 1).Draw(t, "unpoliced")
			reports[name] = heard{nodeReport{Kinds: map[string]inForce{ClusterNetworkPolicy.String(): {Version: version(v)}}, Unpoliced: leaks}, now.Add(-age)}
			if n, err := strconv.Atoi(v); err == nil && strconv.Itoa(n) == v && leaks == 0 && age <= overdue {
				if least, _ := strconv.Atoi(string(since)); n >= least {
					count++
				}
			}
		}
		reports["gone"] = heard{nodeReport{Kinds: map[string]inForce{ClusterNetworkPolicy.String(): {Version: "999"}}}, now}
		r := callRoll(names, reports, now)
		got := r.enforced(ClusterNetworkPolicy, since, r.tail())
		if want := fmt.Sprintf("%d of %d nodes", count, len(names)); got.message[:len(want)] != want {
			t.Errorf("got %q, want %q", got.message, want)
		}
		if (got.status == meta.ConditionTrue) != (count == len(names) && count > 0) {
			t.Errorf("got status %s for %d of %d", got.status, count, len(names))
		}
	})
}

// TestOtherPoliciesProveNothing: a proof is for the set that it was found for.
func TestOtherPoliciesProveNothing(t *testing.T) {
	l := newLedger(nil, State{Policies: manyPolicies(1)})
	set := mark(l.sets[ClusterNetworkPolicy])
	for _, row := range []struct {
		sentence string
		set      mark
		want     version
	}{{"the same set lowers", set, "900"}, {"another set does not", set + 1, "1000"}} {
		t.Run(row.sentence, func(t *testing.T) {
			got := l.lowered(map[Kind]inForce{ClusterNetworkPolicy: {"900", row.set}}).entries[0].since
			if got != row.want {
				t.Errorf("got since %s, want %s", got, row.want)
			}
		})
	}
}

// TestLowestProofCounts: every node with the same policies counts, whatever
// versions the statuses written meanwhile have brought.
func TestLowestProofCounts(t *testing.T) {
	l := newLedger(nil, State{Policies: manyPolicies(1)})
	reports := map[string]heard{}
	for _, v := range []string{"900", "950", "2000"} {
		r := setReport(l.sets[ClusterNetworkPolicy], 0, noon)
		r.Kinds[ClusterNetworkPolicy.String()] = inForce{version(v), mark(l.sets[ClusterNetworkPolicy])}
		reports["n"+v] = heard{r, noon}
	}
	if got := proofs(l, reports)[ClusterNetworkPolicy].Version; got != "900" {
		t.Errorf("got proof at %s, want the lowest, 900", got)
	}
}
