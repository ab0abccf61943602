package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/policy"
)

// using says that connections live that the pod opened to web by these names.
func (m *memory) using(count int, patterns ...string) {
	class := policy.Compile(worldOf()).NameClass(patterns)
	m.live = []datapath.Connected{{Addr: web, Class: class, Count: count}}
}

func (m *memory) Connected(policy.EndpointID) ([]datapath.Connected, error) {
	return m.live, m.fails("connected")
}

// opens and holds say what the kernel's entry does for an address now.
func (b *bench) opens(a netip.Addr) bool { return b.kernel.held[a].Expires > b.node.clock() }
func (b *bench) holds(a netip.Addr) bool { return b.kernel.held[a].Held > b.node.clock() }

// N6: a grant lives while a connection to its address lives, for as long as that
// may be, and opens nothing meanwhile.
func TestGrantLivesWhileItsConnectionDoes(t *testing.T) {
	m := newMemory()
	inBubble(t, m, func(t *testing.T, b *bench) {
		b.update(draftOf(named([]string{"example.com"}, 443)))
		b.learn(1, "example.com", web, other)
		m.using(2, "example.com")
		b.pass(90 * time.Second)
		for range 100 {
			b.pass(7 * time.Second)
			if b.opens(web) || !b.holds(web) {
				t.Fatalf("at %v: got %+v, want it held and closed", b.node.clock(), m.held[web])
			}
		}
		if _, there := m.held[other]; there {
			t.Error("the address without a connection is still there")
		}
		if got, want := b.node.why(t.Context(), podID, web), "held by 2 live connections, opens nothing new"; !strings.HasSuffix(got, want) || !strings.HasPrefix(got, "expired 700 s ago for example.com") {
			t.Errorf("got %q, want when it expired, for which name, and %q", got, want)
		}
		m.watched = []probe{{peer: web, port: 443}}
		b.update(draftOf(named([]string{"example.com"}, 443, 8443)))
		if len(m.denied) > 0 {
			t.Errorf("a change of policy: denied %s", strings.Join(m.denied, "; "))
		}
		b.learn(2, "example.com", web)
		if !b.opens(web) {
			t.Error("a new answer does not open what is held")
		}
		b.pass(100 * time.Second)
		m.live = nil
		b.pass(20 * time.Second)
		if len(m.held) != 0 {
			t.Errorf("got %v after the last connection's end, want nothing", m.held)
		}
	})
}

// N7: what is held goes with its rule, at once.
func TestRemovedRuleEndsWhatIsHeld(t *testing.T) {
	m := newMemory()
	inBubble(t, m, func(t *testing.T, b *bench) {
		b.update(draftOf(named([]string{"example.com"}, 443)))
		b.learn(1, "example.com", web)
		m.using(1, "example.com")
		b.pass(2 * time.Minute)
		if !b.holds(web) {
			t.Fatal("it is not held to begin with")
		}
		b.update(draftOf(named([]string{"example.org"}, 443)))
		if len(m.held) != 0 {
			t.Errorf("got %v, want nothing held without its rule", m.held)
		}
		b.pass(time.Minute)
		if len(m.held) != 0 {
			t.Errorf("got %v later, want a connection without a rule to hold nothing", m.held)
		}
	})
}

// N6, D10: an enforcer that cannot read connections opens nothing, ends nothing,
// and lets what is held lapse by itself.
func TestConnectionsThatCannotBeRead(t *testing.T) {
	m := newMemory()
	inBubble(t, m, func(t *testing.T, b *bench) {
		b.update(draftOf(named([]string{"example.com"}, 443)))
		b.learn(1, "example.com", web)
		m.using(1, "example.com")
		b.pass(89500 * time.Millisecond)
		m.failures["connected"] = slices.Repeat([]error{errors.New("no memory")}, 5)
		b.pass(10 * time.Second)
		if b.opens(web) || !b.holds(web) {
			t.Errorf("after one failure: got %+v, want it held still", m.held[web])
		}
		b.pass(30 * time.Second)
		if _, there := m.held[web]; !there || b.opens(web) || b.holds(web) {
			t.Errorf("after four: got %+v, want what was held to have lapsed", m.held[web])
		}
		b.pass(30 * time.Second)
		if !b.holds(web) {
			t.Errorf("after the last: got %+v, want it held again", m.held[web])
		}
	})
}

// N6, D8: after a restart the grant of a connection that lives is held, whether
// its entry expired meanwhile or is gone; of a class that nobody knows it is not.
func TestRestartHoldsWhatIsConnected(t *testing.T) {
	tests := []struct {
		sentence string
		left     time.Duration // expiry of the entry found; 0 for none
		patterns []string
		held     bool
	}{
		{"an entry that has expired", -time.Minute, []string{"example.com"}, true},
		{"an entry that is gone", 0, []string{"example.com"}, true},
		{"an entry of names that no rule has any more", -time.Minute, []string{"gone.example"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.sentence, func(t *testing.T) {
			m := newMemory()
			m.using(1, tt.patterns...)
			m.connections = []policy.ClassID{m.live[0].Class}
			if tt.left != 0 {
				m.left = []datapath.Granted{{Endpoint: podID, Entry: datapath.Entry{Addr: web, Class: m.live[0].Class, Expires: tt.left}}}
			}
			inBubble(t, m, func(t *testing.T, b *bench) {
				b.update(draftOf(named([]string{"*.example.org", "example.com"}, 443)))
				if b.opens(web) || b.holds(web) != tt.held {
					t.Errorf("got %+v, want it closed and held: %v", m.held[web], tt.held)
				}
				b.pass(5 * time.Minute)
				if b.opens(web) || b.holds(web) != tt.held {
					t.Errorf("later: got %+v, want it closed and held: %v", m.held[web], tt.held)
				}
			})
		})
	}
}

// N6: connections by several names at one address hold it by all of them.
func TestLivePatternsOfAnAddress(t *testing.T) {
	classes := nameClasses{podID: {7: {"example.com"}, 8: {"example.net", "example.org"}}}
	got := classes.live(podID, []datapath.Connected{{Addr: web, Class: 7, Count: 2}, {Addr: other, Class: 9, Count: 1}, {Addr: web, Class: 8, Count: 1}})
	if len(got) != 1 || got[0].Addr != web || got[0].Connections != 3 || !slices.Equal(got[0].Patterns, []string{"example.com", "example.net", "example.org"}) {
		t.Errorf("got %v, want both classes of one address and nothing of an unknown one", got)
	}
}

const floodManifest = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: flood, namespace: app}
spec: {podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 198.51.100.20/32}}], ports: [{protocol: UDP}]}]}
`

// flood has the pod open many more flows than its table has room for. It depends on
// which CPU does what whether a connection goes at once.
func (s *scene) flood() {
	s.tb.Helper()
	s.inside(s.pod, func() {
		conn, err := net.ListenPacket("udp4", "10.0.0.1:0")
		check(s.tb, err)
		defer conn.Close()
		for i := range 3 * 2048 {
			// Three packets each: the kernel gives up flows of one packet first.
			_, err := conn.WriteTo([]byte("x"), &net.UDPAddr{IP: other.AsSlice(), Port: 1 + i/3})
			check(s.tb, err)
		}
	})
}

// admitted is how many packets passed by a name and no entry of their connection.
func (s *scene) admitted() (n int) {
	s.tb.Helper()
	for line := range strings.Lines(s.page("/metrics")) {
		if strings.HasPrefix(line, `nameward_verdicts_total{direction="egress",reason="allowed-name"`) {
			fmt.Sscanf(line[strings.LastIndex(line, " "):], "%d", &n)
		}
	}
	return n
}

// N5, N6, D8, D12: a connection outlives its name, with its entry evicted by a flood
// from its own pod, across the death and return of the enforcer. Meanwhile nobody
// opens a second one.
func TestConnectionOutlivesNameFloodAndEnforcer(t *testing.T) {
	s := newEnforcedPod(t)
	s.extraFlags = []string{"--min-ttl", "1s", "--grace", "1s", "--connections", "64"}
	s.put("flood.yaml", floodManifest)
	s.start()
	s.accept().teachFor(t, podAddr, "example.com", web, 0)
	conn := s.wantDial("while its name lives", webHTTP, true)
	goesOn := func(when string) {
		t.Helper()
		s.wantDial(when, webHTTP, false)
		if conn == nil || !alive(conn) {
			t.Fatalf("%s: the connection does not go on\n%s", when, s.log.String())
		}
	}
	s.stop(syscall.SIGKILL)
	// Nothing but time makes an end here; connections that were opened to see
	// it would evict the one. A grant lives for two seconds, the least time and
	// the grace, and the kernel's clock is coarse.
	time.Sleep(3 * time.Second)
	goesOn("without enforcer")

	s.start()
	s.accept()
	s.await("it is held", func() bool { return strings.Contains(s.page("/metrics"), `nameward_grants{state="held"} 1`) })
	before := s.admitted()
	s.await("the flood evicts the connection", func() bool {
		s.flood()
		goesOn("after a flood")
		return s.admitted() > before
	})
	s.stop(syscall.SIGKILL)
	s.flood()
	goesOn("after a flood without enforcer")

	s.start()
	session := s.accept()
	s.flood()
	goesOn("after the enforcer's return")
	if !strings.Contains(s.log.String(), "held by 1 live connection, opens nothing new") {
		t.Errorf("want the denial to say what is held (S1), got\n%s", s.log.String())
	}
	session.teach(t, podAddr, "example.com", web)
	s.wantDial("after another answer", webHTTP, true)
	s.put("names.yaml", namesFor("example.net"))
	s.await("it goes with its rule", func() bool { return !alive(conn) })
}
