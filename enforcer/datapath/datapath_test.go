package datapath

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/enforcer/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	clientPolicy policy.ListID    = 0x11
	nameClass    policy.ClassID   = 0x33
	serverClass  policy.ClassID   = 0x22
	web          policy.PortClass = 0x44
)

// tables police one client, isolated for egress. Rules says what its policies
// allow on port 80.
func tables(client *scenePod, rules map[policy.ClassID]policy.Precedence) *policy.Tables {
	t := &policy.Tables{
		Endpoints: map[policy.EndpointID]policy.Endpoint{client.id: {
			Pod: policy.PodRef{Namespace: "app", Name: "client"},
			Stance: policy.Stance{
				Egress:  policy.Attachment{NetworkPolicy: clientPolicy, Isolated: true},
				Default: policy.Allow,
			},
			Patterns: []string{"example.com"},
		}},
		Prefixes: map[netip.Prefix]policy.ClassID{},
		Ports:    []policy.PortSpan{{Protocol: 6, First: 80, Last: 80, Class: web}},
		NameRows: map[policy.RowKey]policy.Precedence{},
	}
	list := &policy.List{Rows: map[policy.Cell]policy.Precedence{}}
	for class, row := range rules {
		if class&nameClass == nameClass {
			t.NameRows[policy.RowKey{List: clientPolicy, Cell: policy.Cell{Peer: class, Port: web}}] = row
			continue
		}
		list.Rows[policy.Cell{Peer: class, Port: web}] = row
		list.Wide = list.Wide || class == policy.AnyPeer
	}
	t.Lists = map[policy.ListID]*policy.List{clientPolicy: list}
	return t
}

var allow = policy.NewPrecedence(1, policy.ActionAccept)

type fixture struct {
	*scene
	client, server *scenePod
	interfaces     map[policy.EndpointID]Interface
}

func newFixture(t testing.TB) *fixture {
	s := newScene(t)
	f := &fixture{scene: s, client: s.pod("client", 1), server: s.pod("server", 2)}
	f.interfaces = map[policy.EndpointID]Interface{f.client.id: {Name: f.client.iface}}
	f.serve(f.server, 80)
	f.serve(f.server, 81)
	return f
}

func (f *fixture) open(cfg Config) *Datapath {
	f.t.Helper()
	d, err := Open(cfg)
	must(f.t, err)
	return d
}

func (f *fixture) apply(d *Datapath, steps ...*policy.Tables) {
	f.t.Helper()
	must(f.t, d.Apply(steps, f.interfaces))
}

func (f *fixture) connects(want bool) {
	f.t.Helper()
	within := wait
	if want {
		within = patience
	}
	c := f.dial(f.client, f.server, 80, within)
	if got := c != nil; got != want {
		f.t.Errorf("connection to port 80: got %v, want %v", got, want)
	}
}

// hooks runs a test with each kind of attachment that the kernel has.
func hooks(t *testing.T, test func(t *testing.T, hook Hook)) {
	t.Run("TCX", func(t *testing.T) {
		if os.Geteuid() == 0 && !hasTCX() {
			t.Skip("TCX needs Linux 6.6 or later")
		}
		test(t, HookTCX)
	})
	t.Run("clsact", func(t *testing.T) { test(t, HookClsact) })
}

// hasTCX asks for the programs on the loopback device: kernels without TCX do
// not know the kind of hook.
func hasTCX() bool {
	_, err := link.QueryPrograms(link.QueryOptions{Target: 1, Attach: ebpf.AttachTCXIngress})
	return !errors.Is(err, unix.EINVAL) && !errors.Is(err, ebpf.ErrNotSupported)
}

// TestPolicyOnInterface: real packets on a real interface, with both kinds of
// hook (D1): nothing, then a rule, then none again.
func TestPolicyOnInterface(t *testing.T) {
	hooks(t, func(t *testing.T, hook Hook) {
		f := newFixture(t)
		d := f.open(Config{Hook: hook, Pin: filepath.Join(f.bpf, "nameward")})
		defer d.Close()
		f.connects(true)
		closed, open := tables(f.client, nil), tables(f.client, map[policy.ClassID]policy.Precedence{policy.AnyPeer: allow})
		f.apply(d, closed)
		f.connects(false)
		f.apply(d, open)
		f.connects(true)
		if c := f.dial(f.client, f.server, 81, wait); c != nil {
			t.Error("connection to port 81: got one, want none")
		}
		established := f.dial(f.client, f.server, 80, patience)
		f.apply(d, closed)
		f.connects(false)
		if answers(established, wait) {
			t.Error("a connection that is no longer allowed: got an answer, want it cut (D6)")
		}
	})
}

// TestPeerClasses: an address and a prefix lead to their rows.
func TestPeerClasses(t *testing.T) {
	f := newFixture(t)
	d := f.open(Config{})
	defer d.Close()
	byClass := tables(f.client, map[policy.ClassID]policy.Precedence{serverClass: allow})
	f.apply(d, byClass)
	f.connects(false)

	byAddress := tables(f.client, map[policy.ClassID]policy.Precedence{serverClass: allow})
	byAddress.Addresses = byAddress.Addresses.With(f.server.addr, policy.Peer{Class: serverClass})
	f.apply(d, byAddress)
	f.connects(true)

	f.apply(d, byClass)
	f.connects(false)

	byPrefix := tables(f.client, map[policy.ClassID]policy.Precedence{serverClass: allow})
	byPrefix.Prefixes[netip.MustParsePrefix("10.1.0.0/24")] = serverClass
	f.apply(d, byPrefix)
	f.connects(true)
}

// TestGrant: an entry opens until it expires or is revoked; a connection it
// admitted goes on (N5, N6).
func TestGrant(t *testing.T) {
	f := newFixture(t)
	d := f.open(Config{})
	defer d.Close()
	f.apply(d, tables(f.client, nil))
	rows := map[policy.RowKey]policy.Precedence{{List: clientPolicy, Cell: policy.Cell{Peer: nameClass, Port: web}}: allow}
	grant := func(lifetime time.Duration) {
		must(t, d.Grant(f.client.id, rows, []Entry{{Addr: f.server.addr, Class: nameClass, Expires: Now() + lifetime}}))
	}
	f.connects(false)
	grant(time.Minute)
	f.connects(true)
	established := f.dial(f.client, f.server, 80, patience)

	grant(-time.Second)
	f.connects(false)
	if !answers(established, patience) {
		t.Error("a connection older than the expiry: got none, want it to go on")
	}
	grant(time.Minute)
	f.connects(true)
	must(t, d.Revoke(f.client.id, []netip.Addr{f.server.addr}))
	f.connects(false)

	if err := d.Grant(policy.EndpointOf("nobody"), rows, nil); !errors.Is(err, ErrUnknownPod) {
		t.Errorf("grant to a pod that is not here: got %v, want ErrUnknownPod", err)
	}
}

// TestSuccessor: filters stay when the process goes, and the next one takes over
// connections, grants and counters without a lost packet (D8).
func TestSuccessor(t *testing.T) {
	hooks(t, func(t *testing.T, hook Hook) {
		f := newFixture(t)
		cfg := Config{Hook: hook, Pin: filepath.Join(f.bpf, "nameward")}
		withName := tables(f.client, map[policy.ClassID]policy.Precedence{nameClass: allow})
		d := f.open(cfg)
		f.apply(d, withName)
		must(t, d.Grant(f.client.id, nil, []Entry{{Addr: f.server.addr, Class: nameClass, Expires: Now() + time.Minute}}))
		established := f.dial(f.client, f.server, 80, patience)
		must(t, d.Revoke(f.client.id, []netip.Addr{f.server.addr}))
		f.connects(false)
		other := netip.MustParseAddr("198.51.100.7")
		must(t, d.Grant(f.client.id, nil, []Entry{{Addr: other, Class: nameClass, Expires: Now() + time.Minute}}))
		dropped := packets(t, d, "not-allowed")
		must(t, d.Close())

		f.connects(false)
		if !answers(established, patience) {
			t.Fatal("established connection while no process runs: got none, want it to go on")
		}

		d = f.open(cfg)
		defer d.Close()
		granted, err := d.Granted()
		must(t, err)
		if len(granted) != 1 || granted[0].Addr != other || granted[0].Class != nameClass {
			t.Errorf("entries of the predecessor: got %v, want one for %v", granted, other)
		}
		classes, err := d.Classes()
		must(t, err)
		if got := classes[f.client.id]; !slices.Equal(got, []policy.ClassID{nameClass}) {
			t.Errorf("classes of connections: got %v, want [%v]", got, nameClass)
		}
		f.apply(d, withName)
		f.connects(false)
		if !answers(established, patience) {
			t.Error("established connection after the restart: got none, want it to go on")
		}
		if now := packets(t, d, "not-allowed"); now < dropped+2 {
			t.Errorf("counter of drops: got %d, want more than the %d from before", now, dropped)
		}
	})
}

func packets(t *testing.T, d *Datapath, reason string) uint64 {
	t.Helper()
	all, err := d.Counters()
	must(t, err)
	var n uint64
	for _, c := range all {
		if c.Reason.String() == reason {
			n += c.Packets
		}
	}
	return n
}

// TestGrowth: tables that outgrow their maps come with new programs, and the
// connections of before go on (P9, D7).
func TestGrowth(t *testing.T) {
	f := newFixture(t)
	d := f.open(Config{})
	defer d.Close()
	small := tables(f.client, map[policy.ClassID]policy.Precedence{policy.AnyPeer: allow})
	f.apply(d, small)
	established := f.dial(f.client, f.server, 80, patience)

	large := tables(f.client, map[policy.ClassID]policy.Precedence{policy.AnyPeer: allow})
	for i := range 3 * leastEntries {
		a := netip.AddrFrom4([4]byte{172, 16, byte(i >> 8), byte(i)})
		large.Addresses = large.Addresses.With(a, policy.Peer{Class: serverClass})
	}
	f.apply(d, small, large)
	if !answers(established, patience) {
		t.Error("connection across the growth: got none, want it to go on")
	}
	f.connects(true)
	f.apply(d, large, tables(f.client, nil))
	f.connects(false)
}
