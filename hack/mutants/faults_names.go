package main

// grantMutants are faults in how long a learnt address counts, and for whom.
var grantMutants = []mutant{
	{"a shorter answer shortens", "N5", "enforcer/grants/learn.go",
		"l.expires = max(l.expires, expires)\n\tl.turn", "l.expires = expires\n\tl.turn", grantTests},
	{"a TTL below the least is believed", "N5", "enforcer/grants/book.go",
		"max(ttl, b.settings.MinTTL)", "max(ttl, 0)", grantTests},
	{"no grace", "N5", "enforcer/grants/book.go",
		"later(later(now, max(ttl, b.settings.MinTTL)), b.settings.Grace)", "later(now, max(ttl, b.settings.MinTTL))", grantTests},
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
		"\t\tn.fenceAutopath(config.Handler(\"autopath\"))\n", "", pluginTests},
	{"lockdown ends with the stream", "N9", "plugin/internal/hub/lockdown.go",
		"\t\tchanges = append(changes, change{addr: addr, new: k})\n", "", pluginTests},
	{"an enforcer that ends late takes the lockdown of its successor", "N9", "plugin/internal/hub/lockdown.go",
		"have != nil && have.word > s.word {", "have != nil && have.word > s.word+1<<62 {", pluginTests},
	{"an enforcer speaks before it knows the policies", "N9", "enforcer/dns/link.go",
		"\t\twant, changed := l.session.client.wanted()\n", "\t\twant, changed := l.session.client.wanted()\n\t\tif want == nil {\n\t\t\twant = &interest{}\n\t\t}\n", streamTests},
	{"a lockdown on trial refuses", "P23", "enforcer/policy/lockdown.go",
		"case p.locks() && !p.Audit:", "case p.locks() && p.Ref.Name != \"\":", policyTests},
}
