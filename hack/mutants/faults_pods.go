package main

// Where interfaces are looked for, by what is looked at.
var (
	strangerTests = tests{"./enforcer/pods", "Pretender"}
	reuseTests    = tests{"./enforcer/pods", "ReusedIndex|NewsAddUp|GoneIsForgotten"}
)

// podMutants are faults in which interface is which pod's.
var podMutants = []mutant{
	{"of the ways of a route the first is the pod's", "P21", "enforcer/pods/network.go",
		"if !slices.Contains(n.ways[r.to], d) {", "if len(n.ways[r.to]) == 0 {", tests{"./enforcer/pods", "Multipath"}},
	{"routes of several ways are overlooked", "P17", "enforcer/pods/route.go",
		"\t\t\tr.devices = append(r.devices, hops(value)...)\n", "", tests{"./enforcer/pods", "Multipath|Uplinks"}},
	{"of several ways out of the node one is its own", "P17", "enforcer/pods/network.go",
		"n.defaults = append(n.defaults, r.devices...)", "n.defaults = append(n.defaults, r.devices[0])", tests{"./enforcer/pods", "Uplinks"}},
	{"lost events are lost", "D9", "enforcer/pods/events.go",
		"\t\t\te.tell(news{what: everything})", "\t\t\te.tell(news{})", tests{"./enforcer/pods", "LostEvents"}},
	{"lost events end the search", "D9", "enforcer/pods/events.go",
		"case errors.Is(err, unix.ENOBUFS):", "case errors.Is(err, unix.ENOMEM):", tests{"./enforcer/pods", "LostEvents"}},
	{"what may have changed is what came last", "D9", "enforcer/pods/events.go",
		"\tn.what |= later.what\n", "\tn.what = later.what\n", reuseTests},
	{"an interface that went is back with its index", "P16", "enforcer/pods/events.go",
		"n.links[index] = n.links[index] || gone", "n.links[index] = gone", reuseTests},
	{"an index is an interface", "P16", "enforcer/pods/link.go",
		"return l.index == o.index && l.peer == o.peer && l.nsid == o.nsid && l.kind == o.kind && l.mac == o.mac", "return l.index == o.index", reuseTests},
	{"an interface is another pod's as it was the pod's before", "P16", "enforcer/pods/judge.go",
		"l == nil || !l.same(c.link) ||", "l == nil ||", reuseTests},
	{"an interface that went is its pod's still", "P16", "enforcer/pods/search.go",
		"\t\t\tdelete(s.held, index)\n", "", reuseTests},
	{"what was seen behind an interface is behind the next", "P16", "enforcer/pods/search.go",
		"l == nil || !l.same(g.link) {", "l == nil || g.link == nil {", reuseTests},
	{"what the chain told outlives its interface", "P16", "enforcer/pods/search.go",
		"if l == nil || s.stale.links[l.index] {", "if l == nil {", reuseTests},
	{"of two that have the pod's address the first is believed", "P21", "enforcer/pods/addressed.go",
		"if len(homes[p]) == 1 {", "if len(homes[p]) >= 1 {", strangerTests},
	{"a route that leads elsewhere is nothing to tell", "S4", "enforcer/pods/located.go",
		"l.far() && d != c.link.index {", "l.far() && d == c.link.index {", tests{"./enforcer/pods", "Multipath"}},
	{"who removes his address loses his policy", "P21", "enforcer/pods/judge.go",
		"\tj.remember(byScan)\n", "", strangerTests},
	{"nobody is told who pretends", "S4", "enforcer/pods/located.go",
		"\t\t\t\tj.doubtPretender(owner[addr], addr, l)\n", "\t\t\t\t_ = owner[addr]\n", strangerTests},
}
