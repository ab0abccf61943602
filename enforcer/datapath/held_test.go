package datapath

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/bpf"
	"github.com/nameward/nameward/enforcer/policy"
)

// newNamedFixture is a fixture whose client may open to port 80 by name alone, with a
// grant for the server, and to which nobody may open anything.
func newNamedFixture(t testing.TB, cfg Config) (*fixture, *Datapath) {
	f := newFixture(t)
	d := f.open(cfg)
	closed := tables(f.client, map[policy.ClassID]policy.Precedence{nameClass: allow})
	client := closed.Endpoints[f.client.id]
	client.Ingress.Isolated = true
	closed.Endpoints[f.client.id] = client
	f.apply(d, closed)
	f.grant(d, time.Minute, 0)
	return f, d
}

// grant opens the server's address for so long, and holds it for so long.
func (f *fixture) grant(d *Datapath, open, held time.Duration) {
	f.t.Helper()
	must(f.t, d.Grant(f.client.id, nil, []Entry{{Addr: f.server.addr, Class: nameClass, Expires: Now() + open, Held: Now() + held}}))
}

// TestEvictedConnection: a connection whose name's time is over and whose entry
// was evicted goes on, both ways, while the grant is held, and no longer. A
// second one does not open (N6, D12).
func TestEvictedConnection(t *testing.T) {
	f, d := newNamedFixture(t, Config{})
	defer d.Close()
	established := f.dial(f.client, f.server, 80, patience)
	f.grant(d, -time.Second, time.Minute)
	for range 2 {
		forgetConnections(t, d, f.client.id)
		f.connects(false)
		if !answers(established, patience) {
			t.Fatal("got no answer on the established connection, want it to go on")
		}
	}
	f.grant(d, -time.Second, -time.Second)
	if !answers(established, patience) {
		t.Error("got no answer though the connection's own entry carries it")
	}
	forgetConnections(t, d, f.client.id)
	if answers(established, wait) {
		t.Error("got an answer without a grant that is held and without an entry")
	}
}

// TestConnected: told are the connections that live, that the pod opened, and
// that a name vouches for (N6), also where the kernel gives them one by one.
func TestConnected(t *testing.T) {
	f, d := newNamedFixture(t, Config{})
	defer d.Close()
	for _, d.scan.single = range []bool{false, true} {
		f.wantConnected(d)
		first, second := f.dial(f.client, f.server, 80, patience), f.dial(f.client, f.server, 80, patience)
		f.wantConnected(d, Connected{f.server.addr, nameClass, 2})
		for _, c := range []net.Conn{first, second} {
			must(t, c.(*net.TCPConn).SetLinger(0)) // a reset
			must(t, c.Close())
		}
		f.awaitConnected(d)
	}
	put := func(flow bpf.KernelFlow, c bpf.KernelConnection) {
		flow.Peer = kernelAddress(netip.MustParseAddr("198.51.100.1"))
		must(t, d.pods[f.client.id].connections.Put(flow, c))
	}
	now, err := bpf.Time(d.programs.TellTime)
	must(t, err)
	out, in := uint8(policy.Egress), uint8(policy.Ingress)
	put(bpf.KernelFlow{PodPort: 1, Protocol: 6}, bpf.KernelConnection{LastSeen: now, Opener: out})
	put(bpf.KernelFlow{PodPort: 2, Protocol: 6}, bpf.KernelConnection{LastSeen: now, Opener: in, NameClass: 7})
	put(bpf.KernelFlow{PodPort: 3, Protocol: 17}, bpf.KernelConnection{LastSeen: now - 200e9, Opener: out, NameClass: 7})
	put(bpf.KernelFlow{PodPort: 4, Protocol: 17, Kind: 18}, bpf.KernelConnection{LastSeen: now, Opener: out, NameClass: 7})
	f.wantConnected(d)
	put(bpf.KernelFlow{PodPort: 5, Protocol: 17}, bpf.KernelConnection{LastSeen: now, Opener: out, NameClass: 7})
	put(bpf.KernelFlow{PodPort: 6, Protocol: 6}, bpf.KernelConnection{LastSeen: now - 100e9, Opener: out, NameClass: 8})
	one, other := Connected{netip.MustParseAddr("198.51.100.1"), 7, 1}, Connected{netip.MustParseAddr("198.51.100.1"), 8, 1}
	f.wantConnected(d, one, other)
	if _, err := d.Connected(policy.EndpointOf("nobody")); err != ErrUnknownPod {
		t.Errorf("a pod that is not here: got %v, want ErrUnknownPod", err)
	}
}

func (f *fixture) connected(d *Datapath) []Connected {
	f.t.Helper()
	got, err := d.Connected(f.client.id)
	must(f.t, err)
	slices.SortFunc(got, func(a, b Connected) int { return int(a.Class) - int(b.Class) })
	return got
}

func (f *fixture) wantConnected(d *Datapath, want ...Connected) {
	f.t.Helper()
	if got := f.connected(d); !slices.Equal(got, want) {
		f.t.Errorf("connected: got %v, want %v", got, want)
	}
}

// awaitConnected waits until no connection lives.
func (f *fixture) awaitConnected(d *Datapath) {
	f.t.Helper()
	for deadline := time.Now().Add(patience); len(f.connected(d)) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			f.t.Fatalf("got %v alive after they were closed", f.connected(d))
		}
	}
}

// TestTimeOfConnections goes as fast as the clock that grants expire by, as far as
// its ticks (10 ms at most) tell.
func TestTimeOfConnections(t *testing.T) {
	_, d := newNamedFixture(t, Config{})
	defer d.Close()
	const tick = 10 * time.Millisecond
	told := func() (before, at, after time.Duration) {
		before = Now()
		ns, err := bpf.Time(d.programs.TellTime)
		must(t, err)
		return before, time.Duration(ns), Now()
	}
	began, first, begun := told()
	for Now()-begun < 10*tick {
	}
	ending, second, ended := told()
	if got, least, most := second-first, ending-begun-2*tick, ended-began+2*tick; got < least || got > most {
		t.Errorf("got %v, want %v to %v", got, least, most)
	}
}

// earlier is a grant as the first version wrote it.
type earlier struct{ Class, Expires uint64 }

// TestGrantsOfAnEarlierVersion are taken over, whose table has shorter values:
// none is lost, and the pod is open meanwhile as it was (D8, N12).
func TestGrantsOfAnEarlierVersion(t *testing.T) {
	f := newFixture(t)
	cfg := Config{Pin: filepath.Join(f.bpf, "nameward")}
	d := f.open(cfg)
	named := tables(f.client, map[policy.ClassID]policy.Precedence{nameClass: allow})
	f.apply(d, named)
	pin := filepath.Join(d.pods[f.client.id].dir, "grants")
	must(t, d.Close())
	must(t, os.Remove(pin))
	old, err := ebpf.NewMap(&ebpf.MapSpec{
		Name: "grants", Type: ebpf.Hash, KeySize: 16, ValueSize: 16, MaxEntries: 20000, Flags: unix.BPF_F_NO_PREALLOC,
	})
	must(t, err)
	defer old.Close()
	expires := Now() + time.Minute
	must(t, old.Put(kernelAddress(f.server.addr), earlier{uint64(nameClass), uint64(expires)}))
	must(t, old.Pin(pin))

	d = f.open(cfg)
	defer d.Close()
	want := []Granted{{f.client.id, Entry{Addr: f.server.addr, Class: nameClass, Expires: expires}}}
	for _, when := range []string{"before", "after"} {
		got, err := d.Granted()
		must(t, err)
		if !slices.Equal(got, want) {
			t.Errorf("%s the takeover: got %v, want %v", when, got, want)
		}
		f.apply(d, named)
	}
	f.connects(true)
	if size := d.pods[f.client.id].grants.MaxEntries(); size != 20000 {
		t.Errorf("got room for %d, want the 20000 of before", size)
	}
	f.grant(d, -time.Second, time.Minute)
	f.connects(false)
	if left, err := filepath.Glob(pin + "?*"); err != nil || len(left) != 0 {
		t.Errorf("pins: got %v, %v, want nothing left beside the table", left, err)
	}
}

// TestGrantsOfALaterVersion cannot be read, and hinder nothing: the pod starts
// closed.
func TestGrantsOfALaterVersion(t *testing.T) {
	f := newFixture(t)
	cfg := Config{Pin: filepath.Join(f.bpf, "nameward")}
	d := f.open(cfg)
	named := tables(f.client, map[policy.ClassID]policy.Precedence{nameClass: allow})
	f.apply(d, named)
	pin := filepath.Join(d.pods[f.client.id].dir, "grants")
	must(t, d.Close())
	must(t, os.Remove(pin))
	later, err := ebpf.NewMap(&ebpf.MapSpec{Name: "grants", Type: ebpf.Hash, KeySize: 16, ValueSize: 64, MaxEntries: 10})
	must(t, err)
	defer later.Close()
	must(t, later.Put(kernelAddress(f.server.addr), make([]byte, 64)))
	must(t, later.Pin(pin))
	d = f.open(cfg)
	defer d.Close()
	if got, err := d.Granted(); err != nil || len(got) != 0 {
		t.Errorf("got %v, %v, want nothing", got, err)
	}
	f.apply(d, named)
	f.connects(false)
	f.grant(d, time.Minute, 0)
	f.connects(true)
}

// BenchmarkConnected: one pass over 100,000 live connections with the writes that
// hold their addresses, and what share of a core it takes where it is made as often
// as the enforcer does.
func BenchmarkConnected(b *testing.B) {
	const connections, interval = 100_000, 10 * time.Second
	for _, peers := range []int{10, 10_000} {
		b.Run(map[int]string{10: "10 peers", 10_000: "10000 peers"}[peers], func(b *testing.B) {
			f, d := newNamedFixture(b, Config{ConnectionsPerPod: 1 << 17})
			defer d.Close()
			f.fill(d, connections, peers)
			var entries []Entry
			b.ReportAllocs()
			for b.Loop() {
				got, err := d.Connected(f.client.id)
				must(b, err)
				if len(got) != peers {
					b.Fatalf("got %d peers, want %d", len(got), peers)
				}
				entries = entries[:0]
				for _, c := range got {
					entries = append(entries, Entry{Addr: c.Addr, Class: c.Class, Expires: 1, Held: Now() + time.Minute})
				}
				must(b, d.Grant(f.client.id, nil, entries))
			}
			b.ReportMetric(100*float64(b.Elapsed())/float64(b.N)/float64(interval), "%core")
		})
	}
}

// fill puts live connections into the client's table.
func (f *fixture) fill(d *Datapath, connections, peers int) {
	f.t.Helper()
	now, err := bpf.Time(d.programs.TellTime)
	must(f.t, err)
	var flows []bpf.KernelFlow
	var values []bpf.KernelConnection
	for i := range connections {
		peer := netip.AddrFrom4([4]byte{198, 18, byte(i % peers >> 8), byte(i % peers)})
		flows = append(flows, bpf.KernelFlow{Peer: kernelAddress(peer), PeerPort: 80, PodPort: uint16(i / peers), Protocol: 6})
		values = append(values, bpf.KernelConnection{
			NameClass: uint64(nameClass), LastSeen: now, Opener: uint8(policy.Egress), Flags: uint8(bpf.KernelConnectionFlagCONNECTION_REPLIED),
		})
	}
	_, err = d.pods[f.client.id].connections.BatchUpdate(flows, values, nil)
	must(f.t, err)
}
