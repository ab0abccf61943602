package hub

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/nameward/nameward/plugin/internal/enforcertest"
	"github.com/nameward/nameward/plugin/stream"
)

// The enforcers of a large cluster are simulated in a process of their own, so
// that what this one takes is the hub's alone.
const (
	swarmTarget = "NAMEWARD_TEST_SWARM"
	swarmNodes  = "NAMEWARD_TEST_SWARM_NODES"
	podsPerNode = 30
)

// swarm starts the enforcers of so many nodes and waits until they watch. Each
// call of change gives all of them other rules.
func swarm(tb testing.TB, h *Hub, target string, nodes int) (change func()) {
	tb.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestSwarm$")
	cmd.Env = append(os.Environ(), swarmTarget+"="+target, swarmNodes+"="+strconv.Itoa(nodes))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	generation := 0
	absorbed := func() bool {
		for node := range nodes {
			for pod := range podsPerNode {
				watches := h.directory.lookup(podAddress(node, pod))
				if len(watches) != 1 || !watches[0].patterns.Matches(fmt.Sprintf("g%d.example.org", generation)) {
					return false
				}
			}
		}
		return true
	}
	enforcertest.Await(tb, "all nodes watch", absorbed)
	return func() {
		generation++
		fmt.Fprintln(in)
		enforcertest.Await(tb, "all nodes have changed", absorbed)
	}
}

func podAddress(node, pod int) netip.Addr {
	n := node*podsPerNode + pod
	return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
}

// TestSwarm is the simulated enforcers, and no test.
func TestSwarm(t *testing.T) {
	target := os.Getenv(swarmTarget)
	if target == "" {
		t.Skip("this is the other process of the tests that ask for it")
	}
	nodes, _ := strconv.Atoi(os.Getenv(swarmNodes))
	enforcers := make([]*enforcertest.Enforcer, nodes)
	small := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithReadBufferSize(0), grpc.WithWriteBufferSize(0)}
	subscribe := func(generation int) {
		for node, e := range enforcers {
			sub := &stream.Subscription{}
			for pod := range podsPerNode {
				// A cluster has far fewer rules than pods.
				w := &stream.Watch{
					Addresses: [][]byte{podAddress(node, pod).AsSlice()},
					Patterns:  []string{fmt.Sprintf("g%d.example.org", generation)},
				}
				for i := range 10 {
					w.Patterns = append(w.Patterns, fmt.Sprintf("*.n%d.team%d.example.com", i, (node+pod)%50))
				}
				sub.Watches = append(sub.Watches, w)
			}
			e.Subscribe(sub)
		}
	}
	for node := range nodes {
		enforcers[node] = enforcertest.Dial(t, target, fmt.Sprintf("node-%d", node), small...)
	}
	subscribe(0)
	for changes, generation := bufio.NewScanner(os.Stdin), 1; changes.Scan(); generation++ {
		subscribe(generation)
	}
}

// raceDetector is whether the tests run under it: it takes memory of its own.
var raceDetector bool

// TestMemoryOfManyNodes: heap and stacks of an enforcer with 30 pods stay small,
// so that thousands of them fit into one replica. With the buffers and queues of
// a busy session each would take 200 kB.
func TestMemoryOfManyNodes(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector takes memory of its own")
	}
	const nodes, most = 300, 90_000
	h, target := served(t, newClock())
	before := inUse()
	change := swarm(t, h, target, nodes)
	change()
	perNode := (inUse() - before) / nodes
	t.Logf("%d bytes for each enforcer", perNode)
	if perNode > most {
		t.Errorf("an enforcer takes %d bytes, want at most %d", perNode, most)
	}
}

// inUse is the memory that heap and stacks take, without what is garbage.
func inUse() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse + m.StackInuse)
}

// BenchmarkRulesChange measures a change of the rules of every pod of 200 nodes,
// until the last node's is in force.
func BenchmarkRulesChange(b *testing.B) {
	const nodes = 200
	h, target := served(b, newClock())
	change := swarm(b, h, target, nodes)
	b.ReportAllocs()
	for b.Loop() {
		change()
	}
}
