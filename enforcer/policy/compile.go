package policy

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/nameward/nameward/enforcer/policy/atlas"
)

// Compiled is a World made into Tables, with what is needed to explain them,
// to judge names and to move from one World to the next. Immutable.
type Compiled struct {
	Tables *Tables
	// Problems are sorted, and cover every policy of the World, whether or
	// not it selects a pod of this node. What came as Malformed is not in it:
	// who made the World has told of it, with the field in the object.
	Problems []Problem

	world      *World
	census     *census
	book       *rulebook
	short      shorten
	lists      map[ListID]*tierList
	isolations map[EndpointID]isolation
	peers      *peerSpace
	ports      *portSpace
	catalog    *catalog
	// sound says that no two things share an id.
	sound bool
	// locals are the pods of this node, in order of reference. Pods without
	// rules are endpoints too: the node default holds for them (P7).
	locals []*Pod
	// Who has which address. The census goes on to other Worlds, pods are as
	// of this one.
	pods   atlas.Map[netip.Addr, *company]
	fronts fronts
	nodes  map[netip.Addr]bool
}

// isolation is who isolates a pod (P6): what is in force, and that with what
// is on trial.
type isolation struct{ enforced, audited isolators }

type isolators struct{ ingress, egress []PolicyRef }

// Compile never fails: a rule that it cannot understand is closed, and told of
// in Problems (P15). It keeps w.
func Compile(w *World) *Compiled { return compile(w, firstEightBytes, nil) }

// Next gives what Compile(w) gives. It takes over from c what has not changed,
// and so costs by what has: pods and Services that come and go elsewhere, whose
// addresses fall into classes that are in use, change but the entries of these.
// One goroutine at a time calls it, and for several Worlds that follow one, the
// first call is the cheap one.
func (c *Compiled) Next(w *World) *Compiled { return compile(w, c.short, c) }

func compile(w *World, short shorten, before *Compiled) *Compiled {
	c := &Compiled{
		Tables:     &Tables{Endpoints: map[EndpointID]Endpoint{}, Lists: map[ListID]*List{}},
		world:      w,
		short:      short,
		lists:      map[ListID]*tierList{},
		isolations: map[EndpointID]isolation{},
		sound:      true,
	}
	l := c.inherit(before)
	c.census.owner, c.census.labels = c, w.Namespaces
	c.pods = c.census.at
	for _, problems := range c.book.problems {
		c.Problems = append(c.Problems, problems...)
	}
	c.addEndpoints(l.endpoints)
	if !c.goOn(before, l) {
		c.divide(before)
	}
	for id, list := range c.lists {
		if before != nil && before.lists[id] != nil && before.lists[id].digest == list.digest && list.sameRows(before.catalog, c.catalog) {
			c.Tables.Lists[id] = before.Tables.Lists[id]
			continue
		}
		c.Tables.Lists[id] = c.catalog.rows(list)
	}
	c.report()
	c.Problems = sortProblems(c.Problems)
	return c
}

// goOn takes over the classes of before, where the same sets have the same
// classes.
func (c *Compiled) goOn(before *Compiled, l legacy) bool {
	if !l.goesOn || !sameLists(c.lists, before.lists) {
		return false
	}
	peers, ok := before.peers.follow(slices.Concat(l.touched, l.fronts), c.census, c.fronts)
	if !ok {
		return false
	}
	c.peers, c.ports, c.catalog = peers, before.ports, before.catalog
	c.takePartition()
	c.Tables.Services = c.Tables.followServices(before, c, l.touched, l.fronts)
	return true
}

// divide makes classes of all that the rules tell apart.
func (c *Compiled) divide(before *Compiled) {
	peers, ports := setsOf(c.lists)
	var partition *peerSpace
	if before != nil {
		partition = before.peers
	}
	c.peers = partitionPeers(peers, c.census, c.fronts, c.world, c.short, partition)
	c.ports = partitionPorts(ports, c.short)
	c.catalog = newCatalog(c.peers.classes, c.ports.classes)
	c.takePartition()
	c.Tables.Services = c.Tables.targets(c.fronts)
}

func (c *Compiled) takePartition() {
	c.Tables.Addresses, c.Tables.Prefixes, c.Tables.Ports = c.peers.addresses, c.peers.prefixes, c.ports.spans
}

// report tells of ids that two classes share.
func (c *Compiled) report() {
	if n := len(c.catalog.badPeers) + len(c.catalog.badPorts); n > 0 {
		c.sound = false
		c.Problems = append(c.Problems, Problem{
			Reason: "two different sets of peers or ports have the same content hash; the traffic of both is denied",
		})
	}
	c.reportServices()
}

// local gives those of the pods that are this node's and take part.
func (w *World) local(pods []*Pod) []*Pod {
	var local []*Pod
	for _, p := range pods {
		if p.Node == w.Node && p.live() {
			local = append(local, p)
		}
	}
	return local
}

func sortPods(pods []*Pod) []*Pod {
	slices.SortStableFunc(pods, func(a, b *Pod) int { return comparePodRefs(a.Ref, b.Ref) })
	return pods
}

// Local gives the pods of this node that take part, in order of reference.
func (c *Compiled) Local() []*Pod { return c.locals }

// addEndpoints compiles what applies to each pod of this node that is not
// known.
func (c *Compiled) addEndpoints(known map[EndpointID]bool) {
	bad := map[ListID]bool{}
	for _, p := range c.locals {
		id := EndpointOf(p.Ref.UID)
		if known[id] {
			continue
		}
		if _, taken := c.Tables.Endpoints[id]; taken {
			c.closeEndpoint(id, p)
			continue
		}
		c.Tables.Endpoints[id] = c.endpoint(id, p, bad)
	}
	c.closeLists(bad)
}

func (c *Compiled) endpoint(id EndpointID, p *Pod, bad map[ListID]bool) Endpoint {
	s := c.book.selection(p)
	enforced, on := c.stance(s.enforced(), bad)
	e := Endpoint{
		Pod: p.Ref, Addresses: own(p), Stance: enforced.Stance,
		Patterns: enforced.patterns, Terms: enforced.terms, Lockdown: s.lockdown(),
	}
	who := isolation{enforced: on, audited: on}
	trial := c.world.onTrial(p)
	if trial || s.audited() {
		var full stance
		full, who.audited = c.stance(s, bad)
		if trial && e.Default != Allow {
			e.Default = Allow
		}
		e.Audit, e.Audited = full.Stance, full.Stance != e.Stance
		e.Patterns, e.Terms = mergePatterns(e.Patterns, full.patterns), mergeTerms(enforced, full)
	}
	c.isolations[id] = who
	return e
}

// onTrial says whether the node default of the pod is only reported (P23).
func (w *World) onTrial(p *Pod) bool { return w.AuditDefault || w.AuditNamespaces[p.Ref.Namespace] }

// stance is a Stance in the making.
type stance struct {
	Stance
	patterns []string
	terms    map[string]Terms
}

// stance compiles what applies to a pod.
func (c *Compiled) stance(s *selection, bad map[ListID]bool) (stance, isolators) {
	by := isolators{s.isolating(Ingress), s.isolating(Egress)}
	in, out := c.book.effective(s, Ingress), c.book.effective(s, Egress)
	return stance{
		Stance: Stance{
			Ingress: c.attach(in, len(by.ingress) > 0, bad),
			Egress:  c.attach(out, len(by.egress) > 0, bad),
			Default: c.world.Default,
		},
		patterns: out.patterns(),
		terms:    out.terms(s),
	}, by
}

func (c *Compiled) attach(e *effective, isolated bool, bad map[ListID]bool) Attachment {
	return Attachment{
		Admin: c.add(e.admin, bad), NetworkPolicy: c.add(e.network, bad), Baseline: c.add(e.baseline, bad),
		Isolated: isolated,
	}
}

// own are the pod's addresses as packets show them, sorted: a change of their
// order in the API is no change.
func own(p *Pod) []netip.Addr {
	var all []netip.Addr
	for _, a := range p.Addresses {
		all = append(all, plain(a))
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

// closeEndpoint denies everything to two pods that cannot be told apart.
func (c *Compiled) closeEndpoint(id EndpointID, second *Pod) {
	c.sound = false
	first := c.Tables.Endpoints[id].Pod
	c.Problems = append(c.Problems, Problem{
		Reason: "pods " + first.Namespace + "/" + first.Name + " and " + second.Ref.Namespace + "/" + second.Ref.Name +
			" have the same UID; everything is denied to both",
	})
	c.Tables.Endpoints[id] = closedEndpoint(first)
	delete(c.isolations, id)
}

// closedEndpoint is isolated by rules that allow nothing.
func closedEndpoint(pod PodRef) Endpoint {
	closed := Attachment{Isolated: true}
	return Endpoint{Pod: pod, Stance: Stance{Ingress: closed, Egress: closed, Default: Deny}, Lockdown: LockdownOn}
}

func (c *Compiled) add(list *tierList, bad map[ListID]bool) ListID {
	if list == nil {
		return 0
	}
	id := ListID(c.short(list.digest))
	if known, ok := c.lists[id]; ok && known.digest != list.digest {
		bad[id] = true
	}
	c.lists[id] = list
	return id
}

// closeLists denies everything to pods that have a list which shares its id.
func (c *Compiled) closeLists(bad map[ListID]bool) {
	if len(bad) == 0 {
		return
	}
	c.sound = false
	c.Problems = append(c.Problems, Problem{
		Reason: "two different lists of rules have the same content hash; everything is denied to their pods",
	})
	for ep, e := range c.Tables.Endpoints {
		for id := range bad {
			if e.uses(id) {
				c.Tables.Endpoints[ep] = closedEndpoint(e.Pod)
			}
		}
	}
	maps.DeleteFunc(c.lists, func(id ListID, _ *tierList) bool { return bad[id] })
}
