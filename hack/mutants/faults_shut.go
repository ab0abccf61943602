package main

var shutTests = tests{"./enforcer/datapath", "Shut|NoOrder|Posture"}

// awayTests try what nameward-cni does by itself.
var awayTests = tests{"./enforcer/cni", "Shut|NoPlace"}

// shutMutants are faults at interfaces that have no pod yet, or none any more.
var shutMutants = []mutant{
	{"an unknown pod calls its node", "P18", "bpf/special.h",
		"(packet->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN", "packet->tcp_flags != 0", tests{"./bpf", "Unknown"}},
	{"an unknown pod is out of its node's reach", "P18", "bpf/special.h",
		"peer.flags & PEER_LOCAL_NODE && (direction", "peer.flags & PEER_SERVICE && (direction", tests{"./bpf", "Unknown"}},
	{"an unknown pod is judged as a pod", "D9", "bpf/nameward.c",
		"if (endpoint->unknown)", "if (endpoint->unknown && endpoint->names)", tests{"./bpf", "Unknown"}},
	{"a pod that goes leaves its interface open", "D9", "enforcer/datapath/filters.go",
		"ok && d.exists(on) {", "ok && d.exists(on) && false {", tests{"./enforcer/datapath", "NoOrder"}},
	{"an interface is opened for the pod that comes", "D9", "enforcer/datapath/interfaces.go",
		"if err := p.take(shut); err != nil {", "if err := shut.detach(); err != nil {", tests{"./enforcer/datapath", "NoOrder"}},
	{"an interface is let go while its pod is not there", "D9", "enforcer/datapath/shut.go",
		"_, stays := guarded[ifindex]; !stays {", "_, stays := guarded[ifindex]; !stays || len(d.pods) > 0 {", tests{"./enforcer/datapath", "NoOrder"}},
	{"new programs are not on what is shut", "D9", "enforcer/datapath/shut.go",
		"f.complete() && f.runs == d.programs) &&", "f.complete() && f.runs != nil) &&", tests{"./enforcer/datapath", "Posture(Reaches|Leaves)"}},
	{"the posture comes over pods of a predecessor", "D8", "enforcer/datapath/shut.go",
		" && !d.inherits(ifindex)", "", shutTests},
	{"both sides of an interface are shut before the next one", "D9", "enforcer/datapath/shut.go",
		"range sides {\n\t\tfor ifindex := range d.fresh", "range []side{intoPod, outOfPod} {\n\t\tfor ifindex := range d.fresh", tests{"./enforcer/datapath", "SideBySide"}},
	{"a filter of a predecessor goes before the interface is shut", "D9", "enforcer/datapath/shut.go",
		"if d.unfinished == nil {", "if true {", tests{"./enforcer/datapath", "GoesLast"}},
	{"answers wait until all interfaces are shut", "N3", "enforcer/shut.go",
		"more, err = n.kernel.ShutNext()", "for more = true; more; {\n\t\t\t\tmore, err = n.kernel.ShutNext()\n\t\t\t}", tests{"./enforcer", "AnswersDoNotWait"}},
	{"a restart forgets what is shut", "D8", "enforcer/datapath/inherited.go",
		"\t\td.shut[ifindex] = &f\n", "", shutTests},
	{"another interface with the index is taken for the one that was shut", "P16", "enforcer/datapath/filters.go",
		"if linkInterface(l) == ifindex {", "if linkInterface(l) >= 0 {", shutTests},
	{"filters of pods that ended without an enforcer stay", "P16", "enforcer/datapath/inherited.go",
		"err := removeFilters(keep)", "_ = keep\n\terr := error(nil)", tests{"./enforcer/datapath", "GoneMeanwhile"}},
	{"the name decides which interface it is", "P16", "enforcer/datapath/links.go",
		"\tcase i.Index == 0:\n", "\tcase i.Name != \"\":\n", tests{"./enforcer/datapath", "KnownByItsIndex"}},
	{"slots end where the first tables do", "P12", "enforcer/datapath/apply.go",
		"return d.needs(steps[len(steps)-1]) <= int(d.programs.Endpoints.MaxEntries())", "return true", tests{"./enforcer/datapath", "MorePods"}},
	{"a pod that starts while no enforcer runs is open", "D9", "enforcer/cni/commands.go",
		"if failed := shut(config, a); failed != nil", "if failed := error(nil); failed != nil", awayTests},
	{"what cannot be shut starts", "D9", "enforcer/cni/commands.go",
		"!errors.Is(failed, datapath.ErrInUse) {", "!errors.Is(failed, datapath.ErrInUse) && false {", awayTests},
	{"the next that is shut opens the ones before", "D9", "enforcer/datapath/away.go",
		"all = append(all, Interface{Index: ifindex})", "_ = ifindex", awayTests},
	{"what is shut without an enforcer is out of its node's reach", "P18", "enforcer/cni/shut.go",
		"posture.Node = node", "_ = node", awayTests},
	{"the first enforcer opens what was shut before it", "D9", "enforcer/residence.go",
		"open[index] = !shut(index)", "open[index] = true", tests{"./enforcer", "ShutBeforeTheFirst"}},
	{"who shuts an interface for a moment is another enforcer", "D8", "enforcer/datapath/state.go",
		"const ownPatience = 3 * time.Second", "const ownPatience = 0 * time.Second", tests{"./enforcer/datapath", "PinDirectory"}},
}
