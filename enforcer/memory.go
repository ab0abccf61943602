package main

import (
	"os"
	"runtime/debug"
	"time"
)

// garbagePercent is how much garbage may come on top of what is in use, in
// percent. Most of the heap is the cluster's pods, which stay, and a change of
// one makes some 200 kB of garbage at 100,000: less than Go's 100 % saves tens
// of MB on every node, and collects once in a hundred changes.
const garbagePercent = 40

// saveMemory leaves the choice to whoever sets GOGC.
func saveMemory() {
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(garbagePercent)
	}
}

// quiet is how long nothing must have changed until memory is given back. To
// read a whole cluster takes several times what is kept of it, and where nothing
// happens any more, nothing would make Go notice.
const quiet = 10 * time.Second

// giveBack collects garbage and returns what is free to the kernel.
func giveBack() { debug.FreeOSMemory() }
