package datapath

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/enforcer/policy"
)

// capabilityChild is the environment variable by which the test's own program
// knows that it is to be the process with few capabilities.
const capabilityChild = "NAMEWARD_TEST_CAPABILITY_CHILD"

var capabilities = map[string]uintptr{
	"CAP_BPF": unix.CAP_BPF, "CAP_NET_ADMIN": unix.CAP_NET_ADMIN, "CAP_PERFMON": unix.CAP_PERFMON,
}

// TestCapabilities: root in a container without other capabilities than these
// three can do all that the datapath does, with both hooks; and without any one
// of them it cannot, and says which are needed (S5).
func TestCapabilities(t *testing.T) {
	if arguments := os.Getenv(capabilityChild); arguments != "" {
		useEverything(t, strings.Fields(arguments))
		return
	}
	hooks(t, func(t *testing.T, hook Hook) {
		for _, c := range []struct {
			names string
			want  string // what the end of the process says
		}{
			{"CAP_BPF CAP_NET_ADMIN CAP_PERFMON", "PASS"},
			{"CAP_NET_ADMIN CAP_PERFMON", ErrPrivilege.Error()},
			{"CAP_BPF CAP_PERFMON", ErrPrivilege.Error()},
			{"CAP_BPF CAP_NET_ADMIN", ErrPrivilege.Error()},
		} {
			t.Run(c.names, func(t *testing.T) {
				f := newFixture(t)
				child := exec.Command("/proc/self/exe", "-test.run=^TestCapabilities$")
				child.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s %s", capabilityChild, hook, filepath.Join(f.bpf, "nameward"), f.client.iface))
				var out bytes.Buffer
				child.Stdout, child.Stderr = &out, &out
				dropFromBounds(t, strings.Fields(c.names))
				err := child.Run() // is a child of this thread, with its namespaces and bounds
				if !strings.Contains(out.String(), c.want) || (err == nil) != (c.want == "PASS") {
					t.Errorf("got %v and %s; want it to say %q", err, &out, c.want)
				}
			})
		}
	})
}

// dropFromBounds leaves what a program that this thread starts as root can have.
func dropFromBounds(t *testing.T, keep []string) {
	t.Helper()
	kept := map[uintptr]bool{}
	for _, name := range keep {
		kept[capabilities[name]] = true
	}
	for c := range uintptr(unix.CAP_LAST_CAP + 1) {
		if !kept[c] {
			must(t, unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0))
		}
	}
}

// useEverything does what an enforcer does in its life.
func useEverything(t *testing.T, arguments []string) {
	var hook Hook
	_, err := fmt.Sscan(arguments[0], &hook)
	must(t, err)
	cfg := Config{Hook: hook, Pin: arguments[1]}
	client := &scenePod{iface: arguments[2], id: policy.EndpointOf("client")}
	interfaces := map[policy.EndpointID]Interface{client.id: {Name: client.iface}}
	for range 2 { // the second takes over what the first has pinned
		d, err := Open(cfg)
		must(t, err)
		must(t, d.Shut([]Interface{client.on(t)}, Posture{}))
		must(t, d.Apply([]*policy.Tables{tables(client, nil)}, interfaces))
		must(t, d.Grant(client.id, nil, []Entry{{Addr: gateway, Class: nameClass, Expires: Now() + time.Minute}}))
		granted, err := d.Granted()
		must(t, err)
		if len(granted) != 1 {
			t.Errorf("got %v, want one entry", granted)
		}
		_, err = d.Connected(client.id)
		must(t, err)
		_, err = d.Classes()
		must(t, err)
		_, err = d.Counters()
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		must(t, d.Denials(ctx, func(Denial) {}))
		must(t, d.Close())
	}
	d, err := Open(cfg)
	must(t, err)
	must(t, d.Shut([]Interface{client.on(t)}, Posture{}))
	must(t, d.Apply([]*policy.Tables{{}}, nil))
	if len(d.shut) != 1 {
		t.Errorf("got %v shut, want the interface whose pod is gone", d.shut)
	}
	must(t, d.Close())
	must(t, Detach(cfg.Pin))
}
