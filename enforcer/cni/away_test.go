package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/nameward/nameward/enforcer/chain"
)

// D8, D9: an enforcer that is replaced while a pod waits does not cost the pod
// its start.
func TestAddOutlivesAnEnforcerD9(t *testing.T) {
	for _, mode := range []string{"required", "best-effort"} {
		t.Run(mode, func(t *testing.T) { addOutlivesAnEnforcer(t, mode) })
	}
}

func addOutlivesAnEnforcer(t *testing.T, mode string) {
	n := newNode(t)
	ended := make(chan error, 1)
	l, pod := n.list("1.0.0", veth, `"timeout": "1m", "mode": "`+mode+`"`), n.pod("c1")
	go func() {
		_, err := n.add(l, pod)
		ended <- err
	}()
	for range 2 {
		dying, err := chain.Listen(n.socket)
		if err != nil {
			t.Fatal(err)
		}
		// An ADD that has given up comes no more.
		if err := dying.(interface{ SetDeadline(time.Time) error }).SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		conn, err := dying.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(dying.Close(), conn.Close()); err != nil {
			t.Fatal(err)
		}
	}
	e := &enforcer{}
	n.serve(e)
	if err := <-ended; err != nil || len(e.added) != 1 {
		t.Errorf("got %v and %d attachments, want 1", err, len(e.added))
	}
}

// A DEL is never in the way of a pod's end (CNI spec, DEL).
func TestDelIsLenient(t *testing.T) {
	for _, c := range []struct {
		name, keys string
		enforcer   *enforcer
	}{
		{"no enforcer", `"mode": "required"`, nil},
		{"an enforcer that refuses", `"mode": "required"`, &enforcer{refusal: errors.New("no")}},
		{"a configuration with a mistake", `"mode": "maybe", "new": 1`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t)
			if c.enforcer != nil {
				n.serve(c.enforcer)
			}
			pod := n.pod("c1")
			pod.NetNS = "" // as after a reboot
			if err := n.del(n.list("1.0.0", veth, c.keys), pod); err != nil {
				t.Errorf("got %v, want no error", err)
			}
			if said := n.stderr.String(); !strings.Contains(said, "nameward-cni: DEL c1:") {
				t.Errorf("stderr is %q, want a line that says so", said)
			}
		})
	}
}

// D9: a node whose enforcer is required and away takes no pods.
func TestStatusAndGCWithoutEnforcer(t *testing.T) {
	n := newNode(t)
	status := func(keys string) error {
		return n.inside(func() error { return n.runner.GetStatusNetworkList(t.Context(), n.list("1.1.0", veth, keys)) })
	}
	gc := func(keys string) error {
		return n.inside(func() error { return n.runner.GCNetworkList(t.Context(), n.list("1.1.0", veth, keys), validOf()) })
	}
	wantError(t, status(`"mode": "required", `+brief), types.ErrLimitedConnectivity, "no enforcer answers")
	wantError(t, unjoin(gc(`"mode": "required", `+brief)), types.ErrTryAgainLater, "no enforcer")
	if err := errors.Join(status(`"mode": "best-effort"`), gc(`"mode": "best-effort"`)); err != nil {
		t.Errorf("best effort: got %v, want no error", err)
	}
	n.serve(&enforcer{refusal: errors.New("the API server has not answered yet")})
	wantError(t, status(`"mode": "required"`), types.ErrPluginNotAvailable, "the API server has not answered yet")
}

// unjoin is the last of the errors that libcni has put together.
func unjoin(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all := joined.Unwrap()
		return all[len(all)-1]
	}
	return err
}

// S5: mistakes are told with what would be right.
func TestMistakes(t *testing.T) {
	n := newNode(t)
	n.serve(&enforcer{})
	_, err := n.add(n.list("1.0.0", veth, `"sokcet": "/x"`), n.pod("c1"))
	wantError(t, err, types.ErrInvalidNetworkConfig, `unknown key "sokcet"; nameward-cni has mode, socket, timeout, away, pins`)

	alone := n.list("1.0.0", veth, brief)
	alone.Plugins = alone.Plugins[1:]
	_, err = n.add(alone, n.pod("c2"))
	wantError(t, err, types.ErrInvalidNetworkConfig, "prevResult is missing")

	nobody := n.pod("c3")
	nobody.Args = nil
	_, err = n.add(n.list("1.0.0", veth, brief), nobody)
	wantError(t, err, types.ErrInvalidEnvironmentVariables, "CNI_ARGS names no pod")
}

// The result goes on byte for byte: plugins before may say what no version of
// the specification knows.
func TestResultIsHandedOnUntouched(t *testing.T) {
	const raw = `{ "cniVersion":"1.0.0","vendor":{"x":1.50}, "interfaces":[] }`
	var out strings.Builder
	r := result{raw: json.RawMessage(raw), version: "1.0.0"}
	if err := r.print(&out); err != nil || out.String() != raw+"\n" {
		t.Errorf("got %q, %v; want %q", out.String(), err, raw)
	}
}

// A GC that says nothing must not end everything.
func TestGCThatSaysNothing(t *testing.T) {
	_, err := validAttachments([]byte(`{"name":"n"}`))
	wantError(t, err, types.ErrInvalidNetworkConfig, "GC has no cni.dev/valid-attachments")
	for _, none := range []string{`[]`, `null`} {
		if valid, err := validAttachments([]byte(`{"cni.dev/valid-attachments":` + none + `}`)); err != nil || len(valid) != 0 {
			t.Errorf("%s: got %v, %v; want an empty list", none, valid, err)
		}
	}
}

// The plugin is small and needs nothing of the host.
func TestBinary(t *testing.T) {
	dir, err := build()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, chain.Plugin))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s has %d bytes", chain.Plugin, info.Size())
	if info.Size() > 8<<20 {
		t.Errorf("got %d bytes, want 8 MiB at most", info.Size())
	}
}
