package datapath

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/enforcer/policy"
)

// stream sends UDP from the pod as fast as it can, alternately to the server's
// two ports, until it is stopped, over a few sockets in turn.
type stream struct {
	stop atomic.Bool
	wait sync.WaitGroup
	// sent counts by port.
	sent [2]atomic.Uint64
	err  error
}

func (s *scene) stream(from, to *scenePod, ports [2]uint16) *stream {
	s.t.Helper()
	out := &stream{}
	sockets := make(chan [8]int)
	out.wait.Go(func() {
		// Never unlocked: the thread ends with its goroutine.
		runtime.LockOSThread()
		if out.err = netns.Set(from.ns); out.err != nil {
			close(sockets)
			return
		}
		var fds [8]int
		for i := range fds {
			fds[i], out.err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			defer unix.Close(fds[i])
		}
		close(sockets)
		for n := 0; !out.stop.Load(); n++ {
			port := n % 2
			address := unix.SockaddrInet4{Port: int(ports[port]), Addr: to.addr.As4()}
			err := again(func() error { return unix.Sendto(fds[n/2%len(fds)], []byte("x"), 0, &address) })
			switch err {
			case nil:
				out.sent[port].Add(1)
			case unix.ENOBUFS, unix.EAGAIN, unix.ECONNREFUSED:
			default:
				out.err = fmt.Errorf("send: %w", err)
				return
			}
		}
	})
	<-sockets
	s.t.Cleanup(func() {
		out.stop.Store(true)
		out.wait.Wait()
	})
	return out
}

// end stops it and gives how many packets went to each port.
func (o *stream) end(t *testing.T) [2]uint64 {
	t.Helper()
	o.stop.Store(true)
	o.wait.Wait()
	must(t, o.err)
	return [2]uint64{o.sent[0].Load(), o.sent[1].Load()}
}

// crowd is rules for addresses that nobody has. They are many, so that a change
// takes many writes, and packets meet it half way.
func crowd(second byte, n int) []policy.Rule {
	var rules []policy.Rule
	for i := range n {
		a := netip.AddrFrom4([4]byte{172, second, byte(i >> 8), byte(i)})
		rules = append(rules, to(netip.PrefixFrom(a, 32).String(), uint16(1+i%7)))
	}
	return rules
}

// denying is a policy of the Admin tier for all pods, egress only.
func denying(rules ...policy.Rule) *policy.Policy {
	for i := range rules {
		rules[i].Action = policy.ActionDeny
	}
	return &policy.Policy{
		Ref:  policy.PolicyRef{Group: "policy.networking.k8s.io", Kind: "ClusterNetworkPolicy", Name: "admin"},
		Tier: policy.TierAdmin, Egress: &policy.Section{Rules: rules},
	}
}

// TestNothingBetweenTwoPolicies: while the policy changes for another that says
// the same of two flows in another way, no packet of the allowed one is lost and
// none of the denied one passes, nor does another tier decide on the way (D6,
// D7).
func TestNothingBetweenTwoPolicies(t *testing.T) {
	p := newPlay(t, HookAuto, false)
	const open, closed = 5001, 5002
	everybody := func(r policy.Rule) policy.Rule {
		r.AllPeers, r.Peers = true, nil
		return r
	}
	variant := func(fill []policy.Rule, denied, allowed policy.Rule) *policy.World {
		return world([]*scenePod{p.client},
			denying(append(slices.Clone(fill), denied)...), isolating(policy.Egress, append(slices.Clone(fill), allowed)...))
	}
	worlds := []*policy.World{
		variant(crowd(16, 150), to("10.1.0.2/32", closed), to("10.1.0.2/32", open)),
		variant(crowd(17, 200), to("10.1.0.0/24", closed), to("10.1.0.0/24", open, closed)),
		variant(crowd(18, 50), to("10.0.0.0/8", closed, closed+1), to("10.0.0.0/8", open-1, open)),
		variant(nil, everybody(to("::/0", closed)), everybody(to("::/0", open, closed))),
	}
	leaked := p.listen(p.server, closed)
	p.turn(worlds[0])
	p.connects(false) // and has its neighbour's address
	before := verdicts(t, p.d)
	flow := p.stream(p.client, p.server, [2]uint16{open, closed})
	const rounds = 12
	for n := range rounds * len(worlds) {
		p.turn(worlds[(n+1)%len(worlds)])
	}
	sent := flow.end(t)
	got := verdicts(t, p.d)
	for reason, n := range before {
		if got[reason] -= n; got[reason] == 0 {
			delete(got, reason)
		}
	}
	if sent[0] == 0 || got["egress established"] == 0 || got["egress admin-deny"] == 0 {
		t.Fatalf("got verdicts %v of %d and %d packets, want many of both flows", got, sent[0], sent[1])
	}
	for _, reason := range []string{"not-allowed", "default-deny", "baseline-deny", "no-state", "no-endpoint", "default-allow", "baseline-accept"} {
		if n := got["egress "+reason]; n > 0 {
			t.Errorf("got verdict %s of %d packets, want it of none: %v", reason, n, got)
		}
	}
	if n := leaked(); n > 0 {
		t.Errorf("the denied flow: got %d packets through, want none", n)
	}
}

// listen gives a function that says how many datagrams have come to the port.
func (s *scene) listen(p *scenePod, port uint16) (received func() int) {
	s.t.Helper()
	var fd int
	s.inside(p, func() {
		var err error
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		must(s.t, err)
		must(s.t, unix.Bind(fd, &unix.SockaddrInet4{Port: int(port), Addr: p.addr.As4()}))
	})
	s.t.Cleanup(func() { unix.Close(fd) })
	return func() (n int) {
		for {
			err := again(func() error { _, _, err := unix.Recvfrom(fd, make([]byte, 8), 0); return err })
			if err != nil {
				return n
			}
			n++
		}
	}
}

// verdicts counts packets by direction and reason.
func verdicts(t *testing.T, d *Datapath) map[string]uint64 {
	t.Helper()
	all, err := d.Counters()
	must(t, err)
	out := map[string]uint64{}
	for _, c := range all {
		out[c.Direction.String()+" "+c.Reason.String()] += c.Packets
	}
	return out
}
