package main

import (
	"os"
	"runtime/debug"
	"time"
)

// garbagePercent is how much garbage may come on top of what is in use, in
// percent. Most of the heap is the cluster's pods, which stay, and a change of
// one makes some 1 MB of garbage at 100,000: less than Go's 100 % saves tens of
// MB on every node, and collects once in some fifteen changes, 3 ms for each.
const garbagePercent = 25

// saveMemory leaves the choice to whoever sets GOGC.
func saveMemory() {
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(garbagePercent)
	}
}

// quiet is how long nothing must have changed until memory is given back. To
// read a whole cluster takes more than what is kept of it, and so does a change
// that is followed by none, which would make Go notice. Where changes never end,
// as in large clusters, it is given back after so long all the same.
const (
	quiet  = 10 * time.Second
	unrest = time.Minute
)

// giveBack collects garbage and returns what is free to the kernel.
func giveBack() { debug.FreeOSMemory() }
