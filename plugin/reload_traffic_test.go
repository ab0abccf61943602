package nameward

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/nameward/nameward/plugin/internal/enforcertest"
	"github.com/nameward/nameward/plugin/internal/hub"
	"github.com/nameward/nameward/plugin/stream"
)

// TestReloadUnderTraffic proves N17 (and N9, N3) while pods ask: no answer on
// hold is lost or let go early, no client is let out of its lockdown, the stream
// and the journal live on, and what the new Corefile says holds.
func TestReloadUnderTraffic(t *testing.T) {
	records := map[string]string{
		"early.org.":  "early.org. 60 IN A 192.0.2.3",
		"tunnel.net.": "tunnel.net. 60 IN A 192.0.2.5",
	}
	for i := range reloads {
		for _, network := range []string{"udp", "tcp"} {
			name := fmt.Sprintf("%s%d.example.org.", network, i)
			records[name] = name + " 60 IN A 192.0.2.4"
		}
	}
	u := newUpstream(t, records)
	s := start(t, forwarding(u, "hold 5s servfail"))
	e := s.watch([]string{"*.example.org"}, "127.0.0.1")
	e.Lock(stream.Watch_ON, "127.0.0.3", "example.org")
	enforcertest.Await(t, "a pod is locked down", func() bool {
		return process.LockedDown(netip.MustParseAddr("127.0.0.3")) == hub.LockdownOn
	})
	s.expect(s.ask("early.org.", query{client: "127.0.0.2"}), "NOERROR 192.0.2.3")
	defer unlock(s, e)
	sessions, watched := process.Sessions(), process.Watched()

	var traffic sync.WaitGroup
	stop := make(chan struct{})
	for _, network := range []string{"udp", "tcp"} {
		to := s.server(network)
		traffic.Go(func() { tunnel(t, network, to, stop) })
	}
	for i := range reloads {
		s.reloadHolding(t, e, i, forwarding(u, "hold 4s servfail\n  listen "+s.socket+".new"+strconv.Itoa(i)))
		if process.Sessions() != sessions || process.Watched() != watched {
			t.Errorf("reload %d: %d sessions and %d watches, want %d and %d", i, process.Sessions(), process.Watched(), sessions, watched)
		}
	}
	close(stop)
	traffic.Wait()
	e.Watch("127.0.0.2", "early.org")
	if m := e.Learned(); m.GetName() != "early.org" || !m.GetReplayed() {
		t.Errorf("learned %v, want early.org from the journal", m)
	}
}

// reloads is how often the Corefile changes under traffic.
const reloads = 5

// reloadHolding reloads while answers are on hold. The old servers wait for
// them, and the enforcer acknowledges when the new ones have begun.
func (s *server) reloadHolding(t *testing.T, e *enforcertest.Enforcer, i int, corefile string) {
	t.Helper()
	var replies []<-chan reply
	var seqs []uint64
	for _, network := range []string{"udp", "tcp"} {
		replies = append(replies, s.ask(fmt.Sprintf("%s%d.example.org.", network, i), query{network: network}))
		seqs = append(seqs, e.Learned().GetSeq())
	}
	done := make(chan error, 1)
	go func() { done <- s.reload(corefile) }()
	path := strings.TrimPrefix(s.socket, "unix://") + ".new" + strconv.Itoa(i)
	enforcertest.Await(t, "the new Corefile is in force", func() bool {
		_, err := os.Stat(path)
		return err == nil
	})
	for i, r := range replies {
		if len(r) > 0 {
			t.Errorf("an answer on hold was let go: %v", <-r)
		}
		e.Ack(seqs[i], time.Hour)
		s.expect(r, "NOERROR 192.0.2.4")
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// tunnel asks from the pod under lockdown until it is stopped. Answers may get
// lost while a server gives way to the next, but none is another than refused.
func tunnel(t *testing.T, network, to string, stop <-chan struct{}) {
	refusals := 0
	for i := 0; ; i++ {
		select {
		case <-stop:
			if refusals == 0 {
				t.Errorf("%s: no query was refused, so nothing was proven", network)
			}
			return
		default:
		}
		client := &dns.Client{Net: network, Timeout: 200 * time.Millisecond, Dialer: dialFrom("127.0.0.3", network)}
		m, _, err := client.Exchange(new(dns.Msg).SetQuestion("tunnel.net.", dns.TypeA), to)
		if err != nil {
			continue
		}
		refusals++
		if got := describe(m); strings.HasPrefix(got, "NOERROR") {
			t.Errorf("%s: got %q in the %d. query, want it refused", network, got, i)
		}
	}
}
