// Command enforcer is the node daemon: it turns policies and learnt names into
// the tables of the kernel program at every pod's interface. This package wires
// the planes together and owns the order in which changes reach the kernel; how
// policies are compiled, names are kept and maps are written is known to the
// packages below.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	saveMemory()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	os.Exit(run(ctx, env{stdout: os.Stdout, stderr: os.Stderr, hostname: os.Hostname, getenv: os.Getenv}, os.Args[1:]))
}
