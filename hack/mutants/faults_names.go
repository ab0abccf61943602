package main

// grantMutants are faults in how long a learnt address counts, and for whom.
var grantMutants = []mutant{
	{"a shorter answer shortens", "N5", "enforcer/grants/claim.go",
		"h.until = max(h.until, later(now, max(ttl, 0)))", "h.until = later(now, max(ttl, 0))", grantTests},
	{"a TTL below the least is believed", "N5", "enforcer/grants/claim.go",
		"max(h.until, later(h.last, minTTL))", "max(h.until, later(h.last, 0))", grantTests},
	{"no grace", "N5", "enforcer/grants/claim.go",
		"later(max(h.until, later(h.last, minTTL)), grace)", "max(h.until, later(h.last, minTTL))", grantTests},
	{"of several policies with a pattern the last one's life holds", "N5", "enforcer/grants/claim.go",
		"end = max(end, h.life(", "end = max(0, h.life(", grantTests},
	{"a range that one policy allows is every pattern's", "N10", "enforcer/grants/claim.go",
		"\t\tif b.allows(p, i, addr) {\n", "\t\tif b.allows(p, n.patterns[0], addr) {\n", grantTests},
	{"a policy on trial makes names of those in force live longer", "P23", "enforcer/policy/terms.go",
		"\t\treturn inForce\n", "\t\treturn inForce && false\n", policyTests},
	{"what of an annotation cannot be read is left to the node", "P15", "enforcer/policy/convert/terms.go",
		"*into = policy.Fixed(d)", "*into = policy.Term{Set: err == nil, Value: d}", convertTests},
	{"CoreDNS keeps to what it was promised under other terms", "N5", "enforcer/apply.go",
		"Revision: revision(d.settings, w.Terms)", "Revision: revision(d.settings, nil)", nodeTests},
	{"a name whose rule is gone keeps its addresses", "N7", "enforcer/grants/entry.go",
		"case len(l.name.patterns) == 0:", "case l.name == nil:", grantTests},
	{"a pod that is gone keeps its grants", "P16", "enforcer/grants/book.go",
		"\t\t\t\tb.revoke(e, now, CauseUnwanted, &c)\n", "\t\t\t\t_ = e\n", grantTests},
	{"addresses inside NAT64 and 6to4 are not looked at", "N10", "enforcer/grants/guard.go",
		"\t\tinner = embedded(addr)\n", "\t\tinner = inner[:0]\n", grantTests},
	{"a setting lets nodes be granted", "N10", "enforcer/grants/guard.go",
		"case ok && g.InCluster && reason != ReasonNode:", "case ok && g.InCluster:", grantTests},
	{"exact names go where wildcards should", "N15", "enforcer/grants/pod.go",
		"front != nil && exact {", "front != nil {", grantTests},
	{"CoreDNS is told before the kernel", "N3", "enforcer/node.go",
		"if len(out.Entries) > 0 && !n.grant(ep, out.Entries) {", "l.Ack(out.ValidFor)\n\tif len(out.Entries) > 0 && !n.grant(ep, out.Entries) {", nodeTests},
}

// lockdownMutants are faults in what a pod may ask.
var lockdownMutants = []mutant{
	{"only questions for addresses are locked down", "N9", "plugin/handler.go",
		"\tif locked {\n\t\t// Before", "\tif locked && teaches(r) {\n\t\t// Before", pluginTests},
	{"what autopath makes of a name is not looked at", "N9", "plugin/setup.go",
		"\t\t\tn.fenceAutopath(a)\n", "", pluginTests},
	{"lockdown ends with the stream", "N9", "plugin/internal/hub/lockdown.go",
		"\t\tchanges = append(changes, change{addr: addr, new: k})\n", "", pluginTests},
	{"an enforcer that ends late takes the lockdown of its successor", "N9", "plugin/internal/hub/lockdown.go",
		"have != nil && have.word > s.word {", "have != nil && have.word > s.word+1<<62 {", pluginTests},
	{"an enforcer speaks before it knows the policies", "N9", "enforcer/dns/link.go",
		"\t\twant, changed := l.session.client.wanted()\n", "\t\twant, changed := l.session.client.wanted()\n\t\tif want == nil {\n\t\t\twant = &interest{}\n\t\t}\n", streamTests},
	{"a lockdown on trial refuses", "P23", "enforcer/policy/lockdown.go",
		"case p.locks() && !p.Audit:", "case p.locks() && p.Ref.Name != \"\":", policyTests},
}
