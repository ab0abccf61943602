package main

// Tests that answerMutants and hubMutants meet: few, as a fault in the plugin
// lets many others wait for what does not come.
var (
	readingTests  = tests{"./plugin", "Extract|Chain|Autopath|CoreDNSAsksItself"}
	holdingTests  = tests{"./plugin ./plugin/internal/hub", "Wait|Bound|Hold|Held|Known|Learn|Every"}
	journalTests  = tests{"./plugin ./plugin/internal/hub", "Comeback|Replay|Journal|Crossing"}
	reloadTests   = tests{"./plugin", "Reload"}
	lockingTests  = tests{"./plugin/internal/hub", "Lockdown|LocksNobodyDown"}
	admittedTests = tests{"./plugin/internal/hub", "Certificate|OnlyPods|PodThatAppears|StaleClaim|Verified|Provision|Withdrawal"}
	identityTests = tests{"./plugin ./plugin/internal/hub ./enforcer/dns", "Identity|NodeIsNoPod|NodesAddresses"}
)

// answerMutants are faults in what is read from an answer.
var answerMutants = []mutant{
	{"autopath's zones are not looked at", "N4", "plugin/handler.go",
		"case n.searchZones.Contains(question):", "case question != \"\":", readingTests},
	{"what CoreDNS asks itself is the pod's question", "N4", "plugin/handler.go",
		"\tif ctx.Value(nestedKey{}) != nil {\n\t\treturn n.pass(inner{ctx}, w, r)", "\tif ctx.Value(nestedKey{}) == 0 {\n\t\treturn n.pass(inner{ctx}, w, r)", readingTests},
	{"whose records they are is not looked at", "N4", "plugin/extract.go",
		"header.Class == dns.ClassINET && sameName(header.Name, owner)", "header.Class == dns.ClassINET && owner != \"\"", readingTests},
	{"a chain is followed one link too far", "N4", "plugin/extract.go",
		"len(x.owners) > maxChain ||", "len(x.owners) > maxChain+1 ||", readingTests},
	{"a TTL of a century is believed", "N5", "plugin/extract.go",
		"ttl := uint32(maxTTL)", "ttl := ^uint32(0)", readingTests},
	{"of a set of records the last one's TTL counts", "N5", "plugin/extract.go",
		"*least = min(*least, rr.Header().Ttl)", "*least = min(ttl, rr.Header().Ttl)", readingTests},
}

// hubMutants are faults in who is told what, and when.
var hubMutants = []mutant{
	{"no answer waits for the kernel", "N3", "plugin/internal/hub/watch.go",
		"if n == needAll && hold {", "if n == needMore && hold {", holdingTests},
	{"what was acknowledged holds for ever", "N3", "plugin/internal/hub/watch.go",
		"if p == nil || p.until <= now {", "if p == nil {", holdingTests},
	{"one acknowledgement is enough for all names of an answer", "N3", "plugin/internal/hub/hub.go",
		"\t\tcase <-m.acked:\n", "\t\tcase <-m.acked:\n\t\t\treturn outcome\n", holdingTests},
	{"a new watch hears nothing of the journal", "N12", "plugin/internal/hub/subscribe.go",
		"\ts.queueReplay(s.unplayed)\n", "", journalTests},
	{"the journal tells the TTLs of old", "N12", "plugin/internal/hub/page.go",
		"TTL: t.remaining(now)})", "TTL: t.ttl})", journalTests},
	{"greedy clients take the journal of modest ones", "N15", "plugin/internal/hub/journal.go",
		"\t\t\tif d.weight >= share {\n\t\t\t\ts.trim(client, d, func() { d.shrink(share, &s.spare) })", "\t\t\tif share > 0 {\n\t\t\t\ts.trim(client, d, func() { d.shrink(0, &s.spare) })", journalTests},
	{"a reload ends the streams", "N17", "plugin/instance.go",
		"\ti.restarting = true\n\ti.mark", "\ti.restarting = true\n\ti.release()\n\ti.mark", reloadTests},
	{"a node is whatever it says it is", "N16", "plugin/internal/hub/identity.go",
		"if i.proof == \"\" || i.node == node {", "if i.proof == \"\" || i.node != \"\" {", admittedTests},
	{"what was not verified is watched", "N16", "plugin/internal/hub/verify.go",
		"if s.watches[addr] != nil || fresh && known {", "if s.watches[addr] != nil || !fresh || known {", admittedTests},
	{"what another node watches is heard in advance", "N16", "plugin/internal/hub/provisional.go",
		" || h.taken(node, addr) {", " {", admittedTests},
	{"who changes its mind hears a second address in advance", "N16", "plugin/internal/hub/provisional.go",
		"\tl.spent[v] = true\n\tif have", "\tif have", admittedTests},
	{"an address that never comes is heard for ever", "N16", "plugin/internal/hub/provisional.go",
		"if h.now()-p.since >= provisionalFor {", "if h.now()-p.since >= 100*provisionalFor {", admittedTests},
	{"what nobody has verified is locked down", "N9", "plugin/internal/hub/lockdown.go",
		" || w.session.aheadOf(client) {", " {", lockingTests},
	{"kept lockdown waits for the API server", "N9", "plugin/internal/hub/verify.go",
		"\t\tif kept[addr] != nil {\n", "\t\tif kept[addr] != nil && fresh {\n", lockingTests},
	{"a pod that moved stays under its old node's lockdown", "N9", "plugin/internal/hub/verify.go",
		"h.rewatch(s, granted, h.inherit(s, granted))", "h.rewatch(s, granted, nil)", admittedTests},
	{"kept lockdown has no end", "N9", "plugin/internal/hub/lockdown.go",
		"until: h.now() + lockdownKept, watches:", "until: h.now() + 100*lockdownKept, watches:", lockingTests},
	{"a lost identity is not counted", "N14", "plugin/internal/hub/hub.go",
		"outcome = max(outcome, IdentityLost)", "outcome = max(outcome, Unwanted)", identityTests},
	{"the cache on the node counts as a lost identity", "N14", "enforcer/dns/client.go",
		"if !of.Unix() && slices.ContainsFunc(c.Targets, Target.Unix) {", "if false && slices.ContainsFunc(c.Targets, Target.Unix) {", identityTests},
	{"one pod's flood hides what the log says of others", "N15", "enforcer/refusals.go",
		"n.refusals.note(refusalShare{ep, r.Reason}, key)", "n.refusals.note(refusalShare{}, key)", nodeTests},
}
