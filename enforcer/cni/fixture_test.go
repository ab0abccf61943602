package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/types"
	"github.com/containernetworking/cni/pkg/version"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/enforcer/chain"
)

// built is the directory of build, for TestMain to remove.
var built string

// build builds the plugin as images have it, once.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", chain.Plugin)
	if err != nil {
		return "", err
	}
	built = dir
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, chain.Plugin), ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	this, err := os.Executable()
	if err != nil {
		return "", err
	}
	return dir, os.Symlink(this, filepath.Join(dir, wire))
})

// node is a runtime of one node: libcni, with the plugin wire and the real
// nameward-cni, in a network namespace that stands for the host's.
type node struct {
	t      *testing.T
	host   netns.NsHandle
	runner *libcni.CNIConfig
	socket string
	pins   string // on a BPF file system of the test's own
	stderr *bytes.Buffer
}

func newNode(t *testing.T) *node {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("NAMEWARD_REQUIRE_BPF") != "" {
			t.Fatal("needs root, for network namespaces")
		}
		t.Skip("needs root, for network namespaces")
	}
	bin, err := build()
	if err != nil {
		t.Fatalf("build the plugin: %v", err)
	}
	var stderr bytes.Buffer
	how := &invoke.DefaultExec{RawExec: &invoke.RawExec{Stderr: &stderr}, PluginDecoder: version.PluginDecoder{}}
	return &node{
		t: t, host: namespace(t), stderr: &stderr,
		runner: libcni.NewCNIConfigWithCacheDir([]string{bin}, t.TempDir(), how),
		socket: filepath.Join(t.TempDir(), "socket"),
		pins:   filepath.Join(mountBPF(t), "nameward"),
	}
}

func mountBPF(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
		t.Fatalf("mount a BPF file system: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount the BPF file system: %v", err)
		}
	})
	return dir
}

// namespace makes a network namespace that goes with the test.
func namespace(t *testing.T) netns.NsHandle {
	t.Helper()
	made := make(chan netns.NsHandle)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread goes with its namespace
		ns, err := netns.New()
		if err != nil {
			t.Error(err)
		}
		made <- ns
	}()
	ns := <-made
	t.Cleanup(func() { ns.Close() })
	if t.Failed() {
		t.FailNow()
	}
	return ns
}

// inside runs f in the host's namespace, with the processes that it starts.
func (n *node) inside(f func() error) error {
	ended := make(chan error)
	go func() {
		runtime.LockOSThread() // as above
		if err := netns.Set(n.host); err != nil {
			ended <- err
			return
		}
		ended <- f()
	}()
	return <-ended
}

// list is a chain of wire and nameward-cni, with some keys for each.
func (n *node) list(cniVersion, wireKeys, ourKeys string) *libcni.NetworkConfigList {
	n.t.Helper()
	l, err := libcni.NetworkConfFromBytes(fmt.Appendf(nil, `{"cniVersion": %q, "name": "lab", "plugins": [{"type": "wire", %s}, {"type": "nameward-cni", "socket": %q, "pins": %q, %s}]}`,
		cniVersion, wireKeys, n.socket, n.pins, ourKeys))
	if err != nil {
		n.t.Fatal(err)
	}
	return l
}

// pod is a sandbox as a runtime makes it.
func (n *node) pod(container string) *libcni.RuntimeConf {
	n.t.Helper()
	ns := namespace(n.t)
	return &libcni.RuntimeConf{
		ContainerID: container, IfName: "eth0", NetNS: fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), int(ns)),
		Args: [][2]string{{"IgnoreUnknown", "1"}, {"K8S_POD_NAMESPACE", "shop"}, {"K8S_POD_NAME", "web-" + container},
			{"K8S_POD_INFRA_CONTAINER_ID", container}, {"K8S_POD_UID", "uid-" + container}},
	}
}

func (n *node) add(l *libcni.NetworkConfigList, pod *libcni.RuntimeConf) (result types.Result, err error) {
	err = n.inside(func() error {
		result, err = n.runner.AddNetworkList(context.Background(), l, pod)
		return err
	})
	return result, err
}

func (n *node) del(l *libcni.NetworkConfigList, pod *libcni.RuntimeConf) error {
	return n.inside(func() error { return n.runner.DelNetworkList(context.Background(), l, pod) })
}

// index is that of an interface of the host.
func (n *node) index(name string) int {
	n.t.Helper()
	var index int
	if err := n.inside(func() error {
		link, err := netlink.LinkByName(name)
		if err == nil {
			index = link.Attrs().Index
		}
		return err
	}); err != nil {
		n.t.Fatalf("look for %s: %v", name, err)
	}
	return index
}

// serve has an enforcer answer at the node's socket until the test ends.
func (n *node) serve(h chain.Handler) {
	n.t.Helper()
	l, err := chain.Listen(n.socket)
	if err != nil {
		n.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- chain.Serve(ctx, l, h) }()
	n.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			n.t.Errorf("Serve: %v", err)
		}
	})
}

// enforcer records what it is asked and answers as a test wants.
type enforcer struct {
	mu      sync.Mutex
	asked   []string
	added   []chain.Attachment
	add     func(context.Context, chain.Attachment) error
	refusal error
}

func (e *enforcer) note(format string, args ...any) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = append(e.asked, fmt.Sprintf(format, args...))
	return e.refusal
}

func (e *enforcer) Add(ctx context.Context, a chain.Attachment) error {
	err := e.note("add %s", a.ContainerID)
	e.mu.Lock()
	e.added = append(e.added, a)
	e.mu.Unlock()
	if e.add != nil {
		return e.add(ctx, a)
	}
	return err
}

func (e *enforcer) Check(_ context.Context, a chain.Attachment) error {
	return e.note("check %s", a.ContainerID)
}
func (e *enforcer) Del(_ context.Context, id string) error { return e.note("del %s", id) }
func (e *enforcer) GC(_ context.Context, valid []string) error {
	return e.note("gc %s", strings.Join(valid, ","))
}
func (e *enforcer) Status(context.Context) error { return e.note("status") }
