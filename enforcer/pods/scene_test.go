package pods

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

const patience = 10 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// scene is a node as the test makes it, and a finder that looks at it.
type scene struct {
	tb     testing.TB
	node   netns.NsHandle
	config Config
	finder *Finder
	stop   func()

	mu      sync.Mutex
	located *Located
	seen    []*Located
	changed chan struct{}
}

// newScene puts the test's thread into the node. It is never unlocked: the
// thread, and with it the namespaces, dies with the test's goroutine.
func newScene(tb testing.TB) *scene {
	tb.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("NAMEWARD_REQUIRE_BPF") != "" {
			tb.Fatal("network namespaces need root, which NAMEWARD_REQUIRE_BPF promises")
		}
		tb.Skip("network namespaces need root")
	}
	if t, ok := tb.(*testing.T); ok {
		t.Parallel() // each has a network of its own, and mostly waits
	}
	runtime.LockOSThread()
	check(tb, unix.Unshare(unix.CLONE_NEWNET))
	s := &scene{tb: tb, node: must(netns.Get()), changed: make(chan struct{}, 1)}
	tb.Cleanup(func() { s.node.Close() })
	dir := tb.TempDir()
	s.config = Config{Cache: filepath.Join(dir, "cni"), Attachments: filepath.Join(dir, "attachments")}
	check(tb, os.MkdirAll(filepath.Join(s.config.Cache, "results"), 0o700))
	check(tb, netlink.LinkSetUp(must(netlink.LinkByName("lo"))))
	return s
}

// start runs a finder on the node, until the test or stop ends it.
func (s *scene) start() *scene {
	s.finder = New(s.config)
	s.run()
	return s
}

func (s *scene) run() {
	s.tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // dies with the goroutine
		if err := netns.Set(s.node); err != nil {
			done <- err
			return
		}
		done <- s.finder.Run(ctx, func(l *Located) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.located, s.seen = l, append(s.seen, l)
			select {
			case s.changed <- struct{}{}:
			default:
			}
		})
	}()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			s.tb.Errorf("the finder ended with %v, want nil", err)
		}
	})
	s.tb.Cleanup(s.stop)
}

func (s *scene) now() *Located {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.located
}

// await returns the first Located that is good.
func (s *scene) await(what string, good func(*Located) bool) *Located {
	s.tb.Helper()
	for late := time.After(patience); ; {
		if l := s.now(); l != nil && good(l) {
			return l
		}
		select {
		case <-s.changed:
		case <-late:
			s.tb.Fatalf("never came: %s; got %s", what, must(json.MarshalIndent(s.now(), "", " ")))
		}
	}
}

// awaitAt awaits a pod at an interface that the node has by this name now, and
// that it is then not unknown.
func (s *scene) awaitAt(uid, name string) *Located {
	s.tb.Helper()
	want := s.here(name)
	l := s.await(uid+" at "+name, func(l *Located) bool { return l.Interfaces[uid] == want })
	for _, u := range l.Unknown {
		if u == want {
			s.tb.Errorf("%s is %s's and unknown as well", name, uid)
		}
	}
	return l
}

// awaitNot awaits that a pod is not found, for a reason with these words.
func (s *scene) awaitNot(uid string, words ...string) {
	s.tb.Helper()
	s.await(fmt.Sprintf("%s nowhere, because of %q", uid, words), func(l *Located) bool {
		_, found := l.Interfaces[uid]
		return !found && l.Why[uid] != "" && containsAll(l.Why[uid], words)
	})
}

func (s *scene) awaitUnknown(names ...string) {
	s.tb.Helper()
	s.await(fmt.Sprintf("%q unknown", names), func(l *Located) bool {
		var got []string
		for _, u := range l.Unknown {
			got = append(got, u.Name)
		}
		return reflect.DeepEqual(got, names) || len(got)+len(names) == 0
	})
}

func containsAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

func (s *scene) here(name string) Interface {
	s.tb.Helper()
	return Interface{Name: name, Index: must(netlink.LinkByName(name)).Attrs().Index}
}

// sandbox is a pod's network namespace.
type sandbox struct {
	ns   netns.NsHandle
	link *netlink.Handle
}

func (s *scene) sandbox() *sandbox {
	s.tb.Helper()
	b := &sandbox{ns: must(netns.New())}
	check(s.tb, netns.Set(s.node))
	b.link = must(netlink.NewHandleAt(b.ns))
	s.tb.Cleanup(func() {
		b.link.Close()
		b.ns.Close()
	})
	return b
}

// path leads to the namespace as a bind mount would.
func (b *sandbox) path() string { return fmt.Sprintf("/proc/self/fd/%d", int(b.ns)) }

// cable connects a sandbox to an interface of the node.
func (s *scene) cable(b *sandbox, host, far string) {
	s.tb.Helper()
	attrs := netlink.LinkAttrs{Name: host}
	check(s.tb, netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: far, PeerNamespace: netlink.NsFd(b.ns)}))
	check(s.tb, netlink.LinkSetUp(must(netlink.LinkByName(host))))
	check(s.tb, b.link.LinkSetUp(must(b.link.LinkByName(far))))
}

func (b *sandbox) address(tb testing.TB, link string, cidrs ...string) {
	tb.Helper()
	for _, cidr := range cidrs {
		check(tb, b.link.AddrAdd(must(b.link.LinkByName(link)), addr(cidr)))
	}
}

// addr has no duplicate address detection, for which a test would wait.
func addr(cidr string) *netlink.Addr {
	a := must(netlink.ParseAddr(cidr))
	a.Flags = unix.IFA_F_NODAD
	return a
}

// route leads to an address over an interface of the node, in a table.
func (s *scene) route(address, host string, table int) {
	s.tb.Helper()
	dst := must(netlink.ParseIPNet(whole(address)))
	check(s.tb, netlink.RouteReplace(&netlink.Route{Dst: dst, LinkIndex: s.here(host).Index, Scope: unix.RT_SCOPE_LINK, Table: table}))
}

func whole(address string) string {
	a := netip.MustParseAddr(address)
	return netip.PrefixFrom(a, a.BitLen()).String()
}

// uplink gives the node a world over a veth, as nodes in containers have.
func (s *scene) uplink() {
	s.tb.Helper()
	s.cable(s.sandbox(), "up0", "down0")
	check(s.tb, netlink.AddrAdd(must(netlink.LinkByName("up0")), addr("192.0.2.10/24")))
	check(s.tb, netlink.RouteAdd(&netlink.Route{Gw: netip.MustParseAddr("192.0.2.1").AsSlice()}))
}

// pod is a pod as the API server knows it.
func pod(uid, name string, addresses ...string) Pod {
	p := Pod{UID: uid, Namespace: "shop", Name: name}
	for _, a := range addresses {
		p.Addresses = append(p.Addresses, netip.MustParseAddr(a))
	}
	return p
}

// result is a file of the CNI cache like one that a plugin left in testdata,
// about another pod.
func (s *scene) result(from string, p Pod, b *sandbox, container string, edit func(result map[string]any)) string {
	s.tb.Helper()
	var file map[string]any
	check(s.tb, json.Unmarshal(must(os.ReadFile(filepath.Join("testdata", from))), &file))
	file["containerId"] = container
	if _, told := file["netns"]; told && b != nil {
		file["netns"] = b.path()
	}
	args := file["cniArgs"].([]any)
	for i, arg := range args {
		key := arg.([]any)[0].(string)
		if value, ok := map[string]string{"K8S_POD_NAMESPACE": p.Namespace, "K8S_POD_NAME": p.Name, "K8S_POD_UID": p.UID}[key]; ok {
			args[i] = []any{key, value}
		}
	}
	edit(file["result"].(map[string]any))
	name := filepath.Join(s.config.Cache, "results", "net-"+container+"-eth0")
	check(s.tb, os.WriteFile(name, must(json.Marshal(file)), 0o600))
	return name
}

// at names the result's interface and addresses.
func at(host string, addresses ...string) func(map[string]any) {
	return func(result map[string]any) {
		for _, i := range result["interfaces"].([]any) {
			i := i.(map[string]any)
			name := i["name"].(string)
			if i["sandbox"] == nil && !strings.HasPrefix(name, "cni0") {
				i["name"] = host
				delete(i, "mac")
			}
		}
		var ips []any
		for _, a := range addresses {
			ips = append(ips, map[string]any{"address": whole(a)})
		}
		result["ips"] = ips
	}
}
