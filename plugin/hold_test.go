package nameward

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/nameward/nameward/plugin/internal/enforcertest"
)

const organisation = "example.org. 300 IN A 192.0.2.1\nexample.org. 300 IN AAAA 2001:db8::1"

// label is the server label of the test's metrics.
const label = "dns://:0"

// TestAnswerWaits proves N3 end to end, over both transports: no client has the
// answer before the enforcer's acknowledgement was sent.
func TestAnswerWaits(t *testing.T) {
	u := newUpstream(t, map[string]string{"udp.example.org.": "udp.example.org. 60 IN A 192.0.2.1", "tcp.example.org.": "tcp.example.org. 60 IN A 192.0.2.1"})
	s := start(t, forwarding(u, "hold 5s servfail"))
	e := s.watch([]string{"*.example.org"}, "127.0.0.1")
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			var acknowledged atomic.Bool
			early := make(chan bool, 1)
			r := s.ask(network+".example.org.", query{network: network})
			answered := make(chan reply, 1)
			go func() {
				got := <-r
				early <- !acknowledged.Load()
				answered <- got
			}()
			m := e.Learned()
			if m.GetName() != network+".example.org" || m.GetAddresses()[0].GetTtl() != 60 {
				t.Errorf("learned %v", m)
			}
			acknowledged.Store(true)
			e.Ack(m.GetSeq(), time.Hour)
			if <-early {
				t.Error("the client had its answer before the acknowledgement")
			}
			s.expect(answered, "NOERROR 192.0.2.1")
		})
	}
	if got := counted(t, released.WithLabelValues(label, "acknowledged")); got < 2 {
		t.Errorf("counted %v acknowledged answers, want 2 or more", got)
	}
}

// TestKnownAnswerIsNotDelayed proves N3's fast path, through CoreDNS's cache:
// the enforcer says nothing any more, and is not asked.
func TestKnownAnswerIsNotDelayed(t *testing.T) {
	u := newUpstream(t, map[string]string{"example.org.": organisation, "other.org.": "other.org. 60 IN A 192.0.2.2"})
	s := start(t, forwarding(u, "hold 5s servfail", "cache"))
	e := s.watch([]string{"example.org", "other.org"}, "127.0.0.1")
	first := s.ask("example.org.", query{})
	e.Ack(e.Learned().GetSeq(), 360*time.Second)
	s.expect(first, "NOERROR 192.0.2.1")
	for range 3 {
		s.expect(s.ask("Example.org.", query{}), "NOERROR 192.0.2.1")
	}
	other := s.ask("other.org.", query{})
	m := e.Learned()
	if m.GetSeq() != 2 || m.GetName() != "other.org" {
		t.Errorf("learned %v, want other.org as the second message: the first name was told again", m)
	}
	e.Ack(m.GetSeq(), time.Hour)
	s.expect(other, "NOERROR 192.0.2.2")
}

// TestBound proves N3's bound by both settings, and that both are counted.
func TestBound(t *testing.T) {
	tests := []struct {
		name, words, result, want string
	}{
		{"the answer goes out late", "hold 20ms", "answer", "NOERROR 192.0.2.1"},
		{"or SERVFAIL does", "hold 20ms servfail", "servfail", "SERVFAIL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := newUpstream(t, map[string]string{"example.org.": organisation})
			s := start(t, forwarding(u, tt.words))
			e := s.watch([]string{"example.org"}, "127.0.0.1")
			count := holdTimeouts.WithLabelValues(label, tt.result)
			before := counted(t, count)
			s.expect(s.ask("example.org.", query{}), tt.want)
			e.Learned()
			if got := counted(t, count) - before; got != 1 {
				t.Errorf("counted %v, want 1", got)
			}
		})
	}
}

func TestHoldOff(t *testing.T) {
	u := newUpstream(t, map[string]string{"example.org.": organisation})
	s := start(t, forwarding(u, "hold 0"))
	e := s.watch([]string{"example.org"}, "127.0.0.1")
	before := counted(t, held.WithLabelValues(label))
	s.expect(s.ask("example.org.", query{qtype: dns.TypeAAAA}), "NOERROR 2001:db8::1")
	e.Learned()
	if got := counted(t, held.WithLabelValues(label)) - before; got != 0 {
		t.Errorf("%v answers were held, want none", got)
	}
}

// TestEachPodLearnsItsOwn proves N2: two pods of one node, one name, two messages.
func TestEachPodLearnsItsOwn(t *testing.T) {
	u := newUpstream(t, map[string]string{"example.org.": organisation, "example.net.": "example.net. 60 IN A 192.0.2.9"})
	s := start(t, forwarding(u, "hold 5s servfail", "cache"))
	e := s.watch([]string{"example.org"}, "127.0.0.11", "127.0.0.12")
	for _, pod := range []string{"127.0.0.11", "127.0.0.12"} {
		r := s.ask("example.org.", query{client: pod})
		m := e.Learned()
		if got := net.IP(m.GetClient()).String(); got != pod {
			t.Errorf("learned for %s, want %s", got, pod)
		}
		e.Ack(m.GetSeq(), time.Hour)
		s.expect(r, "NOERROR 192.0.2.1")
	}
	// Nobody watches this pod, and nobody wants that name: neither waits.
	s.expect(s.ask("example.org.", query{client: "127.0.0.13"}), "NOERROR 192.0.2.1")
	s.expect(s.ask("example.net.", query{client: "127.0.0.11"}), "NOERROR 192.0.2.9")
	if got := e.Pending(); got != 0 {
		t.Errorf("%d more messages, want none", got)
	}
}

// TestChains proves N4 end to end, for both settings.
func TestChains(t *testing.T) {
	const chain = "www.example.org. 300 IN CNAME cdn.example.net.\ncdn.example.net. 20 IN A 192.0.2.7"
	tests := []struct {
		name, words, pattern string
		want                 string // the name learnt; empty: none
	}{
		{"the question's name leads along the chain", "", "www.example.org", "www.example.org"},
		{"a target does not match", "", "cdn.example.net", ""},
		{"but where the setting says so", "match_cname_targets", "cdn.example.net", "cdn.example.net"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := newUpstream(t, map[string]string{"www.example.org.": chain, "last.org.": "last.org. 60 IN A 192.0.2.8"})
			s := start(t, forwarding(u, "hold 0\n "+tt.words))
			e := s.watch([]string{tt.pattern, "last.org"}, "127.0.0.1")
			s.expect(s.ask("www.example.org.", query{}), "NOERROR 192.0.2.7")
			s.expect(s.ask("last.org.", query{}), "NOERROR 192.0.2.8")
			m := e.Learned()
			if tt.want == "" {
				tt.want = "last.org"
			} else if got := m.GetAddresses()[0].GetTtl(); got != 20 {
				t.Errorf("got TTL %d, want the chain's smallest, 20", got)
			}
			if m.GetName() != tt.want {
				t.Errorf("learned %q, want %q", m.GetName(), tt.want)
			}
		})
	}
}

// TestWhatTheClientSees proves N11 and N4: answers that other plugins make are learnt
// as the client gets them.
func TestWhatTheClientSees(t *testing.T) {
	hosts := filepath.Join(t.TempDir(), "hosts")
	writeFile(t, hosts, "192.0.2.44 hosts.example.org\n")
	u := newUpstream(t, map[string]string{
		"real.example.org.": "real.example.org. 60 IN A 192.0.2.5",
		"v4.example.org.":   "v4.example.org. 60 IN A 192.0.2.6",
		"a.inside.example.": "a.inside.example. 60 IN CNAME b.inside.example.\nb.inside.example. 60 IN A 192.0.2.7",
		"c.inside.example.": "c.inside.example. 60 IN A 192.0.2.8",
		"far.example.org.":  "far.example.org. 60 IN CNAME old.example.net.\nold.example.net. 60 IN A 192.0.2.66",
		"new.example.net.":  "new.example.net. 60 IN A 192.0.2.9",
	})
	s := start(t, forwarding(u, "hold 5s servfail",
		"hosts "+hosts+" {\n fallthrough\n }",
		"rewrite name exact alias.example.org. real.example.org. answer auto",
		"rewrite name suffix .pub.example.org. .inside.example. answer auto",
		"rewrite name regex (.*)-re.example.org. {1}.inside.example. answer auto",
		"rewrite cname exact old.example.net. new.example.net.",
		"dns64 {\n prefix 64:ff9b::/96\n allow_ipv4\n }"))
	e := s.watch([]string{"*.example.org"}, "127.0.0.1")
	tests := []struct {
		name, question string
		qtype          uint16
		want, learned  string
	}{
		{"from the hosts plugin", "hosts.example.org.", dns.TypeA, "NOERROR 192.0.2.44", "192.0.2.44"},
		{"under the name that the client asked", "alias.example.org.", dns.TypeA, "NOERROR 192.0.2.5", "192.0.2.5"},
		{"by a rewrite of a suffix, along a chain", "a.pub.example.org.", dns.TypeA, "NOERROR 192.0.2.7", "192.0.2.7"},
		{"by a rewrite with a regular expression", "c-re.example.org.", dns.TypeA, "NOERROR 192.0.2.8", "192.0.2.8"},
		{"by a rewrite of the chain's target", "far.example.org.", dns.TypeA, "NOERROR 192.0.2.9", "192.0.2.9"},
		{"synthesised by dns64, whose own question is not the client's", "v4.example.org.", dns.TypeAAAA, "NOERROR 64:ff9b::c000:206", "64:ff9b::c000:206"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := s.ask(tt.question, query{qtype: tt.qtype})
			m := e.Learned()
			e.Ack(m.GetSeq(), time.Hour)
			s.expect(r, tt.want)
			if got := net.IP(m.GetAddresses()[0].GetIp()).String(); got != tt.learned || m.GetName()+"." != tt.question {
				t.Errorf("learned %s for %s, want %s for %s", got, m.GetName(), tt.learned, tt.question)
			}
		})
	}
}

// TestTruncatedAnswerIsLearntWhole proves N11 where the client gets a part only.
func TestTruncatedAnswerIsLearntWhole(t *testing.T) {
	var zone strings.Builder
	zone.WriteString("@ 60 IN SOA ns hostmaster 1 60 60 60 60\n@ 60 IN NS ns\nns 60 IN A 192.0.2.1\n")
	ip := net.IPv4(10, 1, 0, 0).To4()
	const many = 1500
	for i := range many {
		ip[2], ip[3] = byte(i>>8), byte(i)
		zone.WriteString("big 60 IN A " + ip.String() + "\n")
	}
	path := filepath.Join(t.TempDir(), "zone")
	writeFile(t, path, zone.String())
	s := start(t, ".:PORT {\n nameward {\n  listen SOCKET\n  hold 5s servfail\n }\n file "+path+" example.org\n}\n")
	e := s.watch([]string{"big.example.org"}, "127.0.0.1")
	r := s.ask("big.example.org.", query{})
	m := e.Learned()
	e.Ack(m.GetSeq(), time.Hour)
	got := <-r
	if got.err != nil || !got.msg.Truncated {
		t.Fatalf("got %v, want a truncated answer", got)
	}
	if len(m.GetAddresses()) != many {
		t.Errorf("learned %d addresses, want %d", len(m.GetAddresses()), many)
	}
}

// TestBrokenStreamReleasesAnswers proves N18: DNS goes on, even under servfail.
func TestBrokenStreamReleasesAnswers(t *testing.T) {
	u := newUpstream(t, map[string]string{"example.org.": organisation})
	s := start(t, forwarding(u, "hold 5s servfail"))
	e := s.watch([]string{"example.org"}, "127.0.0.1")
	before := counted(t, released.WithLabelValues(label, "disconnected"))
	r := s.ask("example.org.", query{})
	e.Learned()
	e.Close()
	s.expect(r, "NOERROR 192.0.2.1")
	if got := counted(t, released.WithLabelValues(label, "disconnected")) - before; got != 1 {
		t.Errorf("counted %v released answers, want 1", got)
	}
	enforcertest.Await(t, "the watch ends", func() bool { return process.Watched() == 0 })
	s.expect(s.ask("example.org.", query{}), "NOERROR 192.0.2.1")
}

// TestFloodEndsByTheSetting proves N15 and N3: what the enforcer cannot be told,
// since too much about the pod is unacknowledged, ends as at the bound.
func TestFloodEndsByTheSetting(t *testing.T) {
	const names, share = 300, 256
	zone := make(map[string]string)
	for i := range names {
		name := fmt.Sprintf("n%d.example.org.", i)
		zone[name] = name + " 60 IN A 192.0.2.1"
	}
	u := newUpstream(t, zone)
	s := start(t, forwarding(u, "hold 1s servfail"))
	s.watch([]string{"*.example.org"}, "127.0.0.1")
	before := counted(t, crowded.WithLabelValues(label, "servfail"))
	var replies []<-chan reply
	for name := range zone {
		replies = append(replies, s.ask(name, query{network: "tcp"}))
	}
	for _, r := range replies {
		s.expect(r, "SERVFAIL")
	}
	if got := counted(t, crowded.WithLabelValues(label, "servfail")) - before; got != names-share {
		t.Errorf("counted %v answers, want %d", got, names-share)
	}
}
