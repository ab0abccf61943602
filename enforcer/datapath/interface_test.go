package datapath

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/nameward/nameward/enforcer/policy"
)

// TestInterfaces: a pod without its interface is reported and the others are
// policed; an interface that comes, or comes again, is policed at the next
// Apply.
func TestInterfaces(t *testing.T) {
	f := newFixture(t)
	d := f.open(Config{Pin: filepath.Join(f.bpf, "nameward")})
	defer d.Close()
	both := tables(f.client, nil)
	lost := policy.EndpointOf("lost")
	both.Endpoints[lost] = policy.Endpoint{Pod: policy.PodRef{Namespace: "app", Name: "lost"}}
	interfaces := maps.Clone(f.interfaces)
	interfaces[lost] = Interface{Name: "veth-lost"}
	err := d.Apply([]*policy.Tables{both}, interfaces)
	var missing *InterfaceError
	if !errors.As(err, &missing) || missing.Pod.Name != "lost" || missing.Interface.Name != "veth-lost" {
		t.Fatalf("got %v, want an InterfaceError for pod lost", err)
	}
	f.connects(false)

	l, err := netlink.LinkByName(f.client.iface)
	must(t, err)
	must(t, netlink.LinkDel(l))
	f.addInterface(f.client)
	f.connects(true)
	must(t, errorsOtherThanMissing(d.Apply([]*policy.Tables{both}, interfaces)))
	f.connects(false)
}

func errorsOtherThanMissing(err error) error {
	if errors.As(err, new(*InterfaceError)) {
		return nil
	}
	return err
}

// TestPodGone: filters and state go with the pod, nothing is left to another
// (P16).
func TestPodGone(t *testing.T) {
	f := newFixture(t)
	pin := filepath.Join(f.bpf, "nameward")
	d := f.open(Config{Pin: pin})
	defer d.Close()
	f.apply(d, tables(f.client, nil))
	f.connects(false)
	none := tables(f.client, nil)
	clear(none.Endpoints)
	f.apply(d, none)
	f.connects(true)
	left, err := os.ReadDir(filepath.Join(pin, "pods"))
	must(t, err)
	if len(left) != 0 {
		t.Errorf("pins of pods: got %v, want none", left)
	}
}

// TestOthersOnTheHook: another program before or after ours is left alone (D1).
func TestOthersOnTheHook(t *testing.T) {
	hooks(t, func(t *testing.T, hook Hook) {
		f := newFixture(t)
		l, err := netlink.LinkByName(f.client.iface)
		must(t, err)
		must(t, netlink.QdiscAdd(&netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
			LinkIndex: l.Attrs().Index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT,
		}}))
		foreign := &netlink.U32{FilterAttrs: netlink.FilterAttrs{
			LinkIndex: l.Attrs().Index, Parent: netlink.HANDLE_MIN_INGRESS, Priority: 7, Protocol: 0x0300,
		}}
		must(t, netlink.FilterAdd(foreign))
		pin := filepath.Join(f.bpf, "nameward")
		d := f.open(Config{Hook: hook, Pin: pin})
		f.apply(d, tables(f.client, nil))
		f.connects(false)
		must(t, d.Close())
		must(t, Detach(pin))
		f.connects(true)
		filters, err := netlink.FilterList(l, netlink.HANDLE_MIN_INGRESS)
		must(t, err)
		if len(filters) == 0 {
			t.Error("the other program's filter: got none, want it left alone")
		}
		if _, err := os.Stat(pin); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("pin directory after Detach: got %v, want it gone", err)
		}
	})
}

// TestPinDirectory: one owner at a time, and only on a BPF file system.
func TestPinDirectory(t *testing.T) {
	f := newFixture(t)
	pin := filepath.Join(f.bpf, "nameward")
	d := f.open(Config{Pin: pin})
	if _, err := Open(Config{Pin: pin}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second owner: got %v, want ErrInUse", err)
	}
	if err := Detach(pin); !errors.Is(err, ErrInUse) {
		t.Errorf("detach under a running owner: got %v, want ErrInUse", err)
	}
	must(t, d.Close())
	// Whoever shuts an interface has the directory for a moment.
	moment, err := await(t.Context(), pin)
	must(t, err)
	time.AfterFunc(50*time.Millisecond, func() { moment.Close() })
	must(t, f.open(Config{Pin: pin}).Close())
	if _, err := Open(Config{Pin: filepath.Join(t.TempDir(), "pin")}); !errors.Is(err, ErrNotBPF) {
		t.Errorf("a directory elsewhere: got %v, want ErrNotBPF", err)
	}
}

// TestDenials: every field of a report, and a flood that is cut to the pod's
// share and counted (S1, D12).
func TestDenials(t *testing.T) {
	f := newFixture(t)
	d := f.open(Config{})
	defer d.Close()
	deny := policy.NewPrecedence(5, policy.ActionDeny)
	denied := tables(f.client, map[policy.ClassID]policy.Precedence{policy.AnyPeer: deny})
	e := denied.Endpoints[f.client.id]
	e.Egress = policy.Attachment{Admin: clientPolicy}
	denied.Endpoints[f.client.id] = e
	f.apply(d, denied)

	ctx, cancel := context.WithCancel(t.Context())
	reports, ended := make(chan Denial, 1000), make(chan error, 1)
	go func() { ended <- d.Denials(ctx, func(r Denial) { reports <- r }) }()
	f.connects(false)
	got := <-reports
	if got.Endpoint != f.client.id || got.Direction != policy.Egress || got.Reason.String() != "admin-deny" ||
		got.Reason.Tier() != policy.TierAdmin || got.Protocol != 6 || got.Pod.Addr() != f.client.addr ||
		got.Peer != netip.AddrPortFrom(f.server.addr, 80) || got.List != clientPolicy || !got.HasRule || got.Rule != 5 {
		t.Errorf("got report %+v, want the connection to %v:80, denied by rule 5 of the Admin tier", got, f.server.addr)
	}
	if age := Now() - got.Time; age < 0 || age > time.Minute {
		t.Errorf("time of the report: got %v ago, want just now", age)
	}
	cancel()
	must(t, <-ended)
}
