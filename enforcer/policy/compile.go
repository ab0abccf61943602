package policy

import (
	"maps"
	"net/netip"
	"slices"
)

// Compiled is a World made into Tables, with what is needed to explain them,
// to judge names and to move from one World to the next. Immutable.
type Compiled struct {
	Tables *Tables
	// Problems are sorted, and cover every policy of the World, whether or
	// not it selects a pod of this node. What came as Malformed is not in it:
	// who made the World has told of it, with the field in the object.
	Problems []Problem

	census     *census
	short      shorten
	policies   map[PolicyID]*effective
	egress     map[EndpointID]*effective
	isolations map[EndpointID]isolation
	peers      *peerSpace
	ports      *portSpace
}

// isolation is who isolates a pod (P6).
type isolation struct {
	ingress, egress []PolicyRef
}

// Compile never fails: a rule that it cannot understand is closed, and told of
// in Problems (P15). It keeps w.
func Compile(w *World) *Compiled { return compile(w, firstEightBytes, nil) }

// Next gives what Compile(w) gives. It shares the rows of c where neither the
// rules nor the classes that occur have changed, which is how it is when pods
// come and go that are like other pods; making them is most of the work.
func (c *Compiled) Next(w *World) *Compiled { return compile(w, c.short, c) }

func compile(w *World, short shorten, before *Compiled) *Compiled {
	census := takeCensus(w)
	c := &Compiled{
		Tables:     &Tables{Endpoints: map[EndpointID]Endpoint{}, Rows: map[RowKey]Row{}},
		census:     census,
		short:      short,
		policies:   map[PolicyID]*effective{},
		egress:     map[EndpointID]*effective{},
		isolations: map[EndpointID]isolation{},
	}
	for i := range w.Policies {
		c.Problems = append(c.Problems, problemsOf(w.Policies[i])...)
	}
	c.addEndpoints(newRulebook(w, census))
	peers, ports := setsOf(c.policies)
	c.peers = partitionPeers(peers, census, short)
	c.ports = partitionPorts(ports, short)
	c.Tables.Addresses, c.Tables.Prefixes = c.peers.addresses, c.peers.prefixes
	c.Tables.Ports = c.ports.spans
	catalog := newCatalog(c.peers.classes, c.ports.classes)
	if before != nil && sharesRows(c, before) {
		c.Tables.Rows = before.Tables.Rows
	} else {
		for _, e := range c.policies {
			catalog.addRows(c.Tables.Rows, e)
		}
	}
	c.report(catalog)
	c.Problems = sortProblems(c.Problems)
	return c
}

// report tells of ids that two classes share.
func (c *Compiled) report(catalog *catalog) {
	if n := len(catalog.badPeers) + len(catalog.badPorts); n > 0 {
		c.Problems = append(c.Problems, Problem{
			Reason: "two different sets of peers or ports have the same content hash; the traffic of both is denied",
		})
	}
}

// addEndpoints compiles what applies to each pod of this node. Pods without
// rules are endpoints too: the node default holds for them (P7).
func (c *Compiled) addEndpoints(book *rulebook) {
	w := c.census.world
	var pods []*Pod
	for i := range w.Pods {
		if p := w.Pods[i]; p.Node == w.Node && p.live() {
			pods = append(pods, p)
		}
	}
	slices.SortFunc(pods, func(a, b *Pod) int { return comparePodRefs(a.Ref, b.Ref) })
	bad := map[PolicyID]bool{}
	for _, p := range pods {
		id := EndpointOf(p.Ref.UID)
		if _, taken := c.Tables.Endpoints[id]; taken {
			c.closeEndpoint(id, p)
			continue
		}
		s := book.selection(p)
		in, out := book.effective(s, Ingress), book.effective(s, Egress)
		c.isolations[id] = isolation{s.isolating(Ingress), s.isolating(Egress)}
		c.egress[id] = out
		c.Tables.Endpoints[id] = Endpoint{
			Pod:       p.Ref,
			Addresses: own(p),
			Ingress:   Attachment{c.add(in, bad), len(c.isolations[id].ingress) > 0},
			Egress:    Attachment{c.add(out, bad), len(c.isolations[id].egress) > 0},
			Default:   w.Default,
			Patterns:  out.patterns(),
		}
	}
	c.closePolicies(bad)
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
	first := c.Tables.Endpoints[id].Pod
	c.Problems = append(c.Problems, Problem{
		Reason: "pods " + first.Namespace + "/" + first.Name + " and " + second.Ref.Namespace + "/" + second.Ref.Name +
			" have the same UID; everything is denied to both",
	})
	c.Tables.Endpoints[id] = closedEndpoint(first)
	delete(c.egress, id)
	delete(c.isolations, id)
}

// closedEndpoint is isolated by rules that allow nothing.
func closedEndpoint(pod PodRef) Endpoint {
	return Endpoint{Pod: pod, Ingress: Attachment{Isolated: true}, Egress: Attachment{Isolated: true}, Default: Deny}
}

func (c *Compiled) add(e *effective, bad map[PolicyID]bool) PolicyID {
	if e == nil {
		return 0
	}
	e.id = PolicyID(c.short(e.digest))
	if known, ok := c.policies[e.id]; ok && known.digest != e.digest {
		bad[e.id] = true
	}
	c.policies[e.id] = e
	return e.id
}

// closePolicies denies everything to pods whose policy shares its id.
func (c *Compiled) closePolicies(bad map[PolicyID]bool) {
	if len(bad) == 0 {
		return
	}
	c.Problems = append(c.Problems, Problem{
		Reason: "two different policies have the same content hash; everything is denied to their pods",
	})
	for id, e := range c.Tables.Endpoints {
		if bad[e.Ingress.Policy] || bad[e.Egress.Policy] {
			c.Tables.Endpoints[id] = closedEndpoint(e.Pod)
			delete(c.egress, id)
		}
	}
	maps.DeleteFunc(c.policies, func(id PolicyID, _ *effective) bool { return bad[id] })
}

// patterns gives the name patterns of all rules, sorted.
func (e *effective) patterns() []string {
	if e == nil {
		return nil
	}
	var found []string
	for _, list := range e.lists() {
		if list == nil {
			continue
		}
		for _, r := range list.rules {
			found = append(found, r.names...)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
