package dns

import (
	"slices"
	"testing"

	"github.com/nameward/nameward/plugin/stream"
)

// N14: the CoreDNS that pods ask is told which addresses are no pod's. Where that
// runs on the node, the cluster's behind it is asked from the node's address for
// every miss, and must not take it for a lost identity.
func TestWhoIsToldTheNodesAddresses(t *testing.T) {
	ca := newAuthority(t)
	path, local := socketPath(t)
	beside := listenUnix(t, path, nil)
	cluster := listenTCP(t, "127.0.0.1:0", "replica-1", ca.server("127.0.0.1"))
	central, err := ParseTarget("tcp://" + address(cluster))
	if err != nil {
		t.Fatal(err)
	}
	told := func(s *served) bool {
		return slices.EqualFunc(s.hello.GetNodeAddresses(), [][]byte{node.AsSlice()}, slices.Equal)
	}
	run := func(targets ...Target) {
		cfg := config(targets[0])
		cfg.Targets, cfg.Credentials = targets, ca.write(t.TempDir())
		start(t, cfg)
	}
	run(central)
	if s := cluster.accept(t); !told(s) {
		t.Errorf("the cluster's CoreDNS alone: got %v, want the node's address", s.hello)
	}
	run(local, central)
	if s := beside.accept(t); !told(s) {
		t.Errorf("the node's own CoreDNS: got %v, want the node's address", s.hello)
	}
	if s := cluster.accept(t); len(s.hello.GetNodeAddresses()) != 0 || s.hello.GetVersion() != stream.Version {
		t.Errorf("the cluster's CoreDNS behind it: got %v, want no address", s.hello)
	}
}
