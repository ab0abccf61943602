package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"
	"github.com/google/go-cmp/cmp"

	"github.com/nameward/nameward/enforcer/chain"
)

const (
	veth  = `"kind": "veth", "says": ["HOST"], "addresses": ["10.0.0.7/24", "fd00::7/64"]`
	brief = `"timeout": "300ms"`
)

// D9: through libcni and in every version of the specification, the enforcer is
// told of a pod's interface, and the chain's result is handed on as it was.
func TestChainInEveryVersionD9(t *testing.T) {
	for _, v := range []string{"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"} {
		t.Run(v, func(t *testing.T) {
			n, e := newNode(t), &enforcer{}
			n.serve(e)
			l, pod := n.list(v, veth, brief), n.pod("c1")
			alone := *l
			alone.Plugins = alone.Plugins[:1]
			other := n.pod("c0")
			want, err := n.add(&alone, other)
			if err != nil {
				t.Fatal(err)
			}
			got, err := n.add(l, pod)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(rename(t, want, "hc0", "hc1", other.NetNS, pod.NetNS), rename(t, got)); diff != "" {
				t.Errorf("result (-without +with the plugin):\n%s", diff)
			}
			told := []chain.Attachment{{ContainerID: "c1", Netns: pod.NetNS, Namespace: "shop", Name: "web-c1", UID: "uid-c1",
				Interface: "hc1", IfIndex: n.index("hc1"), Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.7"), netip.MustParseAddr("fd00::7")}}}
			if diff := cmp.Diff(told, e.added, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
			asked := []string{"add c1"}
			if v >= "0.4.0" {
				asked = append(asked, "check c1")
				if err := n.inside(func() error { return n.runner.CheckNetworkList(t.Context(), l, pod) }); err != nil {
					t.Errorf("CHECK: %v", err)
				}
			}
			if v >= "1.1.0" {
				asked = append(asked, "status", "gc c1")
				if err := n.inside(func() error { return n.runner.GetStatusNetworkList(t.Context(), l) }); err != nil {
					t.Errorf("STATUS: %v", err)
				}
				if err := n.inside(func() error { return n.runner.GCNetworkList(t.Context(), l, validOf("c1", "c0")) }); err != nil {
					t.Errorf("GC: %v", err)
				}
				asked[len(asked)-1] = "gc c1,c0"
			}
			asked = append(asked, "del c1")
			if err := n.del(l, pod); err != nil {
				t.Errorf("DEL: %v", err)
			}
			if diff := cmp.Diff(asked, e.asked); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
		})
	}
}

func validOf(containers ...string) *libcni.GCArgs {
	args := &libcni.GCArgs{}
	for _, c := range containers {
		args.ValidAttachments = append(args.ValidAttachments, types.GCAttachment{ContainerID: c, IfName: "eth0"})
	}
	return args
}

// rename is a result as text, with some words replaced.
func rename(t *testing.T, r types.Result, words ...string) string {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(words...).Replace(string(text))
}

// D9: the host's end is found whatever the chain says of it.
func TestHostEndIsFoundD9(t *testing.T) {
	for _, c := range []struct{ name, says string }{
		{"the only one of the host", `["HOST"]`},
		{"behind a bridge, as one of two", `["lo", "HOST"]`},
		{"behind somebody else's pair", `["anotherc1", "HOST"]`},
		{"one that is no pair", `["lo"]`},
		{"one that is not there", `["gone0"]`},
		{"none", `[]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, e := newNode(t), &enforcer{}
			n.serve(e)
			if _, err := n.add(n.list("1.0.0", `"kind": "veth", "says": `+c.says, brief), n.pod("c1")); err != nil {
				t.Fatal(err)
			}
			if len(e.added) != 1 || e.added[0].Interface != "hc1" || e.added[0].IfIndex != n.index("hc1") {
				t.Errorf("told %+v, want interface hc1 with index %d", e.added, n.index("hc1"))
			}
		})
	}
}

// D9: the runtime goes on when the enforcer says so, not before, and two pods
// need not wait for each other.
func TestAddWaitsForThePolicyD9(t *testing.T) {
	n := newNode(t)
	arrived, release := make(chan string), make(chan struct{})
	n.serve(&enforcer{add: func(_ context.Context, a chain.Attachment) error {
		arrived <- a.ContainerID
		<-release
		return nil
	}})
	ended := make(chan error, 2)
	for _, container := range []string{"c1", "c2"} {
		l, pod := n.list("1.0.0", veth, `"timeout": "1m"`), n.pod(container)
		go func() {
			_, err := n.add(l, pod)
			ended <- err
		}()
	}
	if first, second := <-arrived, <-arrived; first == second {
		t.Errorf("told of %s twice", first)
	}
	select {
	case err := <-ended:
		t.Fatalf("a pod starts ahead of its policy: %v", err)
	default:
	}
	close(release)
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// D9: what happens without an answer is the mode's, and is told.
func TestModesD9(t *testing.T) {
	never := &enforcer{add: func(ctx context.Context, _ chain.Attachment) error { <-ctx.Done(); return ctx.Err() }}
	for _, c := range []struct {
		name     string
		enforcer *enforcer
		keys     string
		wire     string
		code     uint
		want     string
	}{
		{"no enforcer", nil, brief, veth, types.ErrTryAgainLater, "Check that the nameward-enforcer pod of this node runs"},
		{"an enforcer that is not done in time", never, brief, veth, types.ErrTryAgainLater, "was not done within 300ms"},
		{"an enforcer that refuses", &enforcer{refusal: errors.New("table is full")}, brief, veth, types.ErrTryAgainLater, "the enforcer answers: table is full"},
		{"a pod without an end on the host", &enforcer{}, brief, `"kind": "bridge"`, codeNoHostEnd, "it is a bridge, which has no end of its own on the host"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t)
			if c.enforcer != nil {
				n.serve(c.enforcer)
			}
			_, err := n.add(n.list("1.0.0", c.wire, `"mode": "required", `+c.keys), n.pod("c1"))
			wantError(t, err, c.code, c.want)
			n.stderr.Reset()
			l, pod := n.list("1.0.0", c.wire, `"mode": "best-effort", `+c.keys), n.pod("c2")
			result, err := n.add(l, pod)
			if err != nil || result == nil {
				t.Errorf("best effort: got %v, %v; want the chain's result", result, err)
			}
			if said := n.stderr.String(); !strings.Contains(said, "nameward-cni: ADD c2: pod starts without") {
				t.Errorf("best effort: stderr is %q, want a line that says so", said)
			}
		})
	}
}

func wantError(t *testing.T, err error, code uint, want string) {
	t.Helper()
	var e *types.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Error(), want) {
		t.Errorf("got %+v (%v), want code %d with %q", e, err, code, want)
	}
}
