package main

var (
	clusterTests = tests{packages: "./enforcer/cluster"}
	atlasTests   = tests{packages: "./enforcer/policy/atlas"}
)

// worldMutants are faults in what a node makes of the cluster, and in how what
// is known of it is kept.
var worldMutants = []mutant{
	{"a node has every node's backends", "P22", "enforcer/cluster/cluster.go",
		"balanced.On(node)", "balanced.All()", clusterTests},
	{"one node's backends are all nodes'", "P22", "enforcer/cluster/cluster.go",
		"all := slices.Clone(c.Services)", "all := c.Services", clusterTests},
	{"what the host adds to its addresses is the Node object's", "P18", "enforcer/cluster/cluster.go",
		"slices.Clone(c.Addresses(node))", "c.Addresses(node)", clusterTests},
	{"the mode that the cluster sets is overlooked", "P23", "enforcer/cluster/cluster.go",
		"c.Trial.apply(set.Mode, world)", "c.Trial.apply(base.Mode, world)", clusterTests},
	{"a policy that says enforce is on trial with all", "P23", "enforcer/cluster/trial.go",
		"\treturn Tried{p, p}", "\treturn Tried{p, &onTrial}", clusterTests},
	{"where one namespace is in force, those that say nothing are", "P23", "enforcer/cluster/trial.go",
		"if modes[name] != convert.ModeEnforce {", "if modes[name] == convert.ModeAudit {", clusterTests},
	{"a map changes the one it was made from", "D7", "enforcer/policy/atlas/atlas.go",
		"rest := slices.Concat(m.pages[p][:at], m.pages[p][at+1:])", "rest := slices.Delete(m.pages[p], at, at+1)", atlasTests},
	{"maps made from one share what each puts in", "D7", "enforcer/policy/atlas/atlas.go",
		"m.pages = slices.Concat(m.pages[:first], others, m.pages[end:])", "m.pages = slices.Replace(m.pages, first, end, others...)", atlasTests},
	{"an address that is not known is its neighbour", "P16", "enforcer/policy/atlas/atlas.go",
		"if p, at, found := m.find(k); found {", "if p, at, _ := m.find(k); len(m.pages) > 0 && at < len(m.pages[p]) {", atlasTests},
	{"pages are joined beyond their size", "D12", "enforcer/policy/atlas/atlas.go",
		" && len(m.pages[p+1]) <= pageSize:", ":", atlasTests},
	{"what two maps share is looked at", "P12", "enforcer/policy/atlas/changed.go",
		"case before.meets(&after):", "case len(before.pages) > 1<<40 && before.meets(&after):", atlasTests},
	{"another value is no change", "P12", "enforcer/policy/atlas/changed.go",
		"order != 0 || old.value != now.value", "order != 0", atlasTests},
}
