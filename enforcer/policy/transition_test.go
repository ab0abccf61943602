package policy

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/labels"
	"pgregory.net/rapid"

	"github.com/nameward/nameward/enforcer/policy/atlas"
)

// D7: while policies change, every packet between any two single writes gets
// what the whole old or the whole new policies say.
func TestTransitionOfPolicies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := drawWorld(t)
		to := *from
		to.Policies = changePolicies(t, from.Policies)
		to.Default = pick(t, "new default", []Verdict{Deny, Allow})
		to.AuditDefault = chance(t, "new default on trial", 3)
		to.AWSRuleOrder = pick(t, "new order", []RuleOrder{DenyFirst, AsWritten})
		walk(t, from, &to)
	})
}

// D7: the same while all else changes too. Before its pod gets the new policy, a
// packet may also meet the old policy at the new peers.
func TestTransitionOfWorlds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := drawWorld(t)
		to := *from
		if !chance(t, "same policies", 3) {
			to.Policies = changePolicies(t, from.Policies)
		}
		if !chance(t, "same pods", 3) {
			to.Pods = changePods(t, from.Pods, 100)
		}
		if chance(t, "new services", 2) {
			to.Services = changeServices(t, from.Services)
		}
		if chance(t, "new surroundings", 2) {
			changeSurroundings(t, &to)
		}
		walk(t, from, &to)
	})
}

// D7, P12: where a namespace gets other labels as a policy loses rules, the new
// policy meets the new peers, never those of before.
func TestTransitionOfLabelsOfNamespaces(t *testing.T) {
	green := podsOf("team=green", "")
	from := scene(cluster(TierAdmin, 1, "cnp", deny(green), accept(podsOf("team=blue", ""))))
	to := *from
	to.Policies = pointers([]Policy{cluster(TierAdmin, 1, "cnp", deny(green))})
	to.Namespaces = maps.Clone(from.Namespaces)
	to.Namespaces["lab"] = labels.Set{"team": "green"}
	a := Compile(from)
	b := a.Next(&to)
	turned := *Transition(a, b)
	turned.Endpoints = b.Tables.Endpoints
	f := packet{peer: "10.0.1.1", port: 80}.flow(t, &to)
	got := turned.Judge(EndpointOf("web"), f.Direction, f.Peer, f.Protocol, f.Port, AnyPeer)
	if want := Evaluate(&to, f); want.Verdict != Deny || !agrees(got, want) {
		t.Errorf("got %+v, want what the new rules say: %+v", got, want)
	}
}

func changePolicies(t *rapid.T, policies []*Policy) []*Policy {
	var out []*Policy
	for i := range policies {
		switch count(t, "change", 0, 7) {
		case 7:
			p := *policies[i]
			p.Lockdown = !p.Lockdown
			out = append(out, &p)
		case 6:
			p := *policies[i]
			p.Audit = !p.Audit
			out = append(out, &p)
		case 0: // removed
		case 1:
			p := *policies[i]
			p.Priority = int32(count(t, "new priority", 0, 2))
			out = append(out, &p)
		case 2:
			p := *policies[i]
			p.Egress = drawSection(t, &p, Egress)
			out = append(out, &p)
		default:
			out = append(out, policies[i])
		}
	}
	for i := range count(t, "more", 0, 3) {
		out = append(out, new(drawPolicy(t, 100+i)))
	}
	return out
}

// changePods has pods go, come and become others; those that come are numbered
// from next.
func changePods(t *rapid.T, pods []*Pod, next int) []*Pod {
	var out []*Pod
	for i, p := range pods {
		other := *p
		switch count(t, "change", 0, 11) {
		case 0:
			continue
		case 1:
			other.Labels = drawLabels(t)
		case 2:
			other.Finished = !other.Finished
		case 3: // whether or not another has it
			other.Addresses = []netip.Addr{pick(t, "new address", poolPodAddrs)}
		case 4:
			other.Addresses = pick(t, "whose", pods).Addresses
		case 5: // P16: at the same address
			other.Ref.UID = fmt.Sprintf("uid-%d", next+100+i)
			other.Labels, other.Ports = drawLabels(t), drawPorts(t)
		case 6:
			other.Ports = drawPorts(t)
		default:
			out = append(out, p)
			continue
		}
		out = append(out, &other)
	}
	for i := range count(t, "more", 0, 2) {
		out = append(out, new(drawPod(t, next+i)))
	}
	return out
}

// changeSurroundings changes what is neither pod nor Service nor policy.
func changeSurroundings(t *rapid.T, w *World) {
	switch count(t, "surroundings", 0, 7) {
	case 0:
		w.LocalAddresses = pick(t, "new local", [][]netip.Addr{nil, addrs("192.168.0.1", "fd01::1"), addrs("10.0.0.3")})
	case 1:
		w.ClusterDNS = pick(t, "new dns", [][]netip.Addr{nil, addrs("10.0.0.5"), addrs("10.0.0.5", "169.254.20.10", "fd01::2")})
	case 2:
		w.Nodes = slices.Clone(w.Nodes)
		w.Nodes[1] = Node{"n2", drawLabels(t), addrs(pick(t, "node address", []string{"192.168.0.2", "192.168.0.3", "10.0.0.4"}))}
	case 3:
		w.Namespaces = maps.Clone(w.Namespaces)
		w.Namespaces[pick(t, "namespace", poolNamespaces)] = drawLabels(t)
	case 4:
		w.Default = pick(t, "default", []Verdict{Deny, Allow})
	case 5:
		w.AuditDefault = !w.AuditDefault
	case 6:
		w.AuditNamespaces = map[string]bool{pick(t, "namespace", poolNamespaces): true}
	case 7:
		w.AWSRuleOrder = pick(t, "order", []RuleOrder{DenyFirst, AsWritten})
	}
}

// journey is a pair of Worlds and what the kernel holds in between.
type journey struct {
	from, to *World
	kernel   Tables
	ports    map[portKey]PortClass
	flows    []Flow
	classes  []ClassID
	old      []*Pod
	random   *rand.Rand
}

type portKey struct {
	protocol uint8
	port     uint16
}

func walk(t *rapid.T, from, to *World) {
	a, b := Compile(from), Compile(to)
	j := &journey{from: from, to: to, random: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))}
	j.kernel = Tables{
		Endpoints: maps.Clone(a.Tables.Endpoints), Addresses: a.Tables.Addresses,
		Prefixes: maps.Clone(a.Tables.Prefixes), Services: a.Tables.Services,
		Lists: map[ListID]*List{}, NameRows: map[RowKey]Precedence{},
	}
	j.addRows(t, a.Tables)
	j.setPorts(a.Tables.pool())
	j.drawFlows(t, a, b)
	j.apply(t, Transition(a, b))
	j.apply(t, b.Tables)
}

// drawFlows picks packets of pods that live in both Worlds, and gives them
// grants whose rows are there all the way.
func (j *journey) drawFlows(t *rapid.T, a, b *Compiled) {
	for i := range j.to.Pods {
		p := j.to.Pods[i]
		ep := EndpointOf(p.Ref.UID)
		n := slices.IndexFunc(j.from.Pods, func(old *Pod) bool { return old.Ref == p.Ref })
		_, was := a.Tables.Endpoints[ep]
		if _, is := b.Tables.Endpoints[ep]; n < 0 || !was || !is {
			continue
		}
		for range 10 {
			f := drawFlow(t, pick(t, "aimed at", []*World{j.from, j.to}), p)
			if f.Direction == Egress && slices.Contains(slices.Concat(p.Addresses, j.from.Pods[n].Addresses), f.Peer) {
				continue // P19 comes before the tables
			}
			patterns := append(granted(a.Tables.Endpoints[ep], f.Names), granted(b.Tables.Endpoints[ep], f.Names)...)
			slices.Sort(patterns)
			patterns = slices.Compact(patterns)
			maps.Copy(j.kernel.NameRows, TransitionNameRows(a, b, ep, patterns))
			j.flows, j.old = append(j.flows, f), append(j.old, j.from.Pods[n])
			j.classes = append(j.classes, b.NameClass(patterns))
		}
	}
}

// pool gives the class of every port that flows are drawn from.
func (t *Tables) pool() map[portKey]PortClass {
	ports := map[portKey]PortClass{}
	for _, protocol := range poolProtocols {
		for _, port := range poolPorts {
			ports[portKey{protocol, port}] = t.portClassOf(protocol, port)
		}
	}
	return ports
}

func (j *journey) setPorts(ports map[portKey]PortClass) {
	j.ports = ports
	j.kernel.Ports = nil
	for _, protocol := range poolProtocols {
		for _, port := range poolPorts {
			j.kernel.Ports = append(j.kernel.Ports, PortSpan{protocol, port, port, ports[portKey{protocol, port}]})
		}
	}
}

// apply moves the kernel to the target one write at a time, and looks at some
// packets after each.
func (j *journey) apply(t *rapid.T, target *Tables) {
	j.addRows(t, target)
	j.look(t, "rows added")
	for _, ep := range slices.Sorted(maps.Keys(target.Endpoints)) {
		j.kernel.Endpoints[ep] = target.Endpoints[ep]
		j.look(t, "endpoint flipped")
	}
	maps.DeleteFunc(j.kernel.Endpoints, func(ep EndpointID, _ Endpoint) bool { _, ok := target.Endpoints[ep]; return !ok })
	writes := j.moves(target)
	slices.SortFunc(writes, func(a, b write) int { return a.order - b.order })
	j.random.Shuffle(len(writes), func(a, b int) { writes[a], writes[b] = writes[b], writes[a] })
	for _, w := range writes {
		w.do()
		j.look(t, w.what)
	}
	j.kernel.Lists = map[ListID]*List{}
	j.addRows(t, target)
	j.look(t, "rows deleted")
}

// addRows adds the rows of the target to those that are there.
func (j *journey) addRows(t *rapid.T, target *Tables) {
	for id, list := range target.Lists {
		have := j.kernel.Lists[id]
		if have == nil {
			have = &List{Rows: map[Cell]Precedence{}}
			j.kernel.Lists[id] = have
		}
		for cell, row := range list.Rows {
			if old, ok := have.Rows[cell]; ok && old != row {
				t.Fatalf("row %v of list %v changes from %v to %v, but rows must be a function of their key", cell, id, old, row)
			}
			have.Rows[cell] = row
		}
	}
}

type write struct {
	order int
	what  string
	do    func()
}

// moves gives the single writes that make addresses, prefixes and ports those
// of the target, in an order that is the same in every run.
func (j *journey) moves(target *Tables) []write {
	var writes []write
	for i, a := range keysOf(j.kernel.Addresses, target.Addresses) {
		writes = append(writes, write{i, "address " + a.String(), func() { j.kernel.Addresses = written(j.kernel.Addresses, target.Addresses, a) }})
	}
	for i, p := range slices.SortedFunc(maps.Keys(merged(j.kernel.Prefixes, target.Prefixes)), netip.Prefix.Compare) {
		writes = append(writes, write{1000 + i, "prefix " + p.String(), func() { move(j.kernel.Prefixes, target.Prefixes, p) }})
	}
	for i, key := range keysOf(j.kernel.Services, target.Services) {
		writes = append(writes, write{3000 + i, "service " + key.Addr.String(), func() { j.kernel.Services = written(j.kernel.Services, target.Services, key) }})
	}
	ports := target.pool()
	for n, protocol := range poolProtocols {
		for i, port := range poolPorts {
			key := portKey{protocol, port}
			writes = append(writes, write{2000 + 100*n + i, "port", func() {
				j.ports[key] = ports[key]
				j.setPorts(j.ports)
			}})
		}
	}
	return writes
}

// keysOf gives the keys of both, sorted.
func keysOf[K atlas.Key[K], V any](a, b atlas.Map[K, V]) []K {
	return slices.SortedFunc(maps.Keys(merged(maps.Collect(a.All()), maps.Collect(b.All()))), K.Compare)
}

// written gives the kernel's map with what the target knows of the key.
func written[K atlas.Key[K], V any](kernel, target atlas.Map[K, V], key K) atlas.Map[K, V] {
	if v, ok := target.Get(key); ok {
		return kernel.With(key, v)
	}
	return kernel.Without(key)
}

func merged[K comparable, V any](a, b map[K]V) map[K]V {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

func move[K comparable, V any](kernel, target map[K]V, key K) {
	if v, ok := target[key]; ok {
		kernel[key] = v
		return
	}
	delete(kernel, key)
}

func (j *journey) look(t *rapid.T, after string) {
	t.Helper()
	for range 4 {
		if len(j.flows) == 0 {
			return
		}
		n := j.random.IntN(len(j.flows))
		f := j.flows[n]
		for _, way := range []struct {
			trial bool
			judge func(EndpointID, Direction, netip.Addr, uint8, uint16, ClassID) Ruling
		}{{false, j.kernel.Judge}, {true, j.kernel.Audit}} {
			got := way.judge(EndpointOf(f.Pod.Ref.UID), f.Direction, f.Peer, f.Protocol, f.Port, j.classes[n])
			whole := j.whole(n, way.trial)
			if !slices.ContainsFunc(whole, func(d Decision) bool { return agrees(got, d) }) {
				t.Fatalf("after %s, with what is on trial %v: %s\ngot %+v\nwant one of %+v", after, way.trial, describe(f), got, whole)
			}
		}
	}
}

// whole gives what the policies say before and after, and what the old ones
// say about the new peers.
func (j *journey) whole(n int, trial bool) []Decision {
	f, old := j.flows[n], j.flows[n]
	old.Pod = j.old[n]
	all := slices.Concat(Decisions(j.from, old, trial), Decisions(j.to, f, trial))
	for _, w := range meanwhile(j.from, j.to, old.Pod) {
		all = append(all, Decisions(w, old, trial)...)
	}
	return all
}

// meanwhile gives Worlds with the old policy of the pod and new peers.
func meanwhile(from, to *World, pod *Pod) []*World {
	base := *to
	base.Default, base.AWSRuleOrder, base.ClusterDNS = from.Default, from.AWSRuleOrder, from.ClusterDNS
	base.AuditDefault, base.AuditNamespaces = from.AuditDefault, from.AuditNamespaces
	base.Policies = nil
	subject := view{world: from, flow: Flow{Pod: pod}, audit: true}
	for _, p := range from.Policies {
		// Whom a policy selects is part of the pod's policy, whatever becomes
		// of labels meanwhile.
		if subject.isSubject(p) {
			own := *p
			own.Subject = PodSelector{}
			base.Policies = append(base.Policies, &own)
		}
	}
	// So are the numbers of named ports (P10): of new peers those count that
	// some old peer of the rule had.
	var all []*World
	for _, known := range []func(NamedPort) bool{
		func(NamedPort) bool { return true },
		func(port NamedPort) bool {
			return slices.ContainsFunc(from.Pods, func(p *Pod) bool { return p.live() && slices.Contains(p.Ports, port) })
		},
		func(NamedPort) bool { return false },
	} {
		w := base
		w.Pods = nil
		for _, p := range to.Pods {
			other := *p
			other.Ports = slices.DeleteFunc(slices.Clone(p.Ports), func(port NamedPort) bool { return !known(port) })
			w.Pods = append(w.Pods, &other)
		}
		all = append(all, &w)
	}
	return all
}
