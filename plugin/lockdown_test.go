package nameward

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/coredns/coredns/plugin"
	_ "github.com/coredns/coredns/plugin/chaos"
	"github.com/miekg/dns"

	"github.com/nameward/nameward/plugin/internal/enforcertest"
	"github.com/nameward/nameward/plugin/stream"
)

// lock is an enforcer that locks 127.0.0.1 down, once the plugin knows it.
func (s *server) lock(lockdown stream.Watch_Lockdown, patterns ...string) *enforcertest.Enforcer {
	s.t.Helper()
	e := s.enforcer("node-a")
	before := process.Watched()
	e.Lock(lockdown, "127.0.0.1", patterns...)
	enforcertest.Await(s.t, "the watch is placed", func() bool { return process.Watched() == before+1 })
	s.t.Cleanup(func() { unlock(s, e) })
	return e
}

// unlock ends the session and what is kept of it, for the next test.
func unlock(s *server, e *enforcertest.Enforcer) {
	e.Close()
	enforcertest.Await(s.t, "the session is over", func() bool { return process.Sessions() == 0 })
	last := s.enforcer("node-a")
	last.Subscribe(&stream.Subscription{Reset_: true})
	enforcertest.Await(s.t, "nothing is kept", func() bool { return process.Kept() == 0 })
	last.Close()
	enforcertest.Await(s.t, "the session is over", func() bool { return process.Sessions() == 0 })
}

// exchange sends any message over a fresh connection and returns the reply.
func (s *server) exchange(network string, m *dns.Msg) *dns.Msg {
	s.t.Helper()
	to := s.instance.Servers()[0].LocalAddr()
	if network == "tcp" {
		to = s.instance.Servers()[0].Addr()
	}
	_, port, err := net.SplitHostPort(to.String())
	if err != nil {
		s.t.Fatal(err)
	}
	client := &dns.Client{Net: network, Timeout: 10 * time.Second}
	got, _, err := client.Exchange(m, net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		s.t.Fatalf("%v: %v", m.Question, err)
	}
	return got
}

func question(name string, qtype uint16) *dns.Msg {
	m := new(dns.Msg).SetQuestion(name, qtype)
	m.SetEdns0(1232, false)
	return m
}

// TestLockdown proves N9: what is outside of the pod's rules and of the
// cluster's zones is refused and never forwarded, whatever the type, the class,
// the opcode, the case and the transport.
func TestLockdown(t *testing.T) {
	with := func(m *dns.Msg, change func(*dns.Msg)) *dns.Msg {
		change(m)
		return m
	}
	tests := []struct {
		sentence string
		ask      *dns.Msg
		passes   bool
	}{
		{"a name of the rules passes", question("api.example.org.", dns.TypeA), true},
		{"in any case", question("aPi.ExAmPlE.OrG.", dns.TypeA), true},
		{"for any type", question("api.example.org.", dns.TypeTXT), true},
		{"a name under a wildcard passes", question("a.b.example.net.", dns.TypeAAAA), true},
		{"a name of the cluster passes", question("api.default.svc.cluster.local.", dns.TypeA), true},
		{"in any case too", question("api.default.svc.CLUSTER.local.", dns.TypeSRV), true},
		{"the rules' name under the search path of the cluster passes", question("api.example.org.default.svc.cluster.local.", dns.TypeA), true},

		{"another name does not", question("data.evil.com.", dns.TypeA), false},
		{"nor for TXT", question("data.evil.com.", dns.TypeTXT), false},
		{"nor for NULL", question("data.evil.com.", dns.TypeNULL), false},
		{"nor for ANY", question("data.evil.com.", dns.TypeANY), false},
		{"nor for MX", question("data.evil.com.", dns.TypeMX), false},
		{"nor for DS, for which servers look at the parent", question("data.evil.com.", dns.TypeDS), false},
		{"nor for a type that nobody knows", question("data.evil.com.", 65280), false},
		{"nor for a transfer", question("data.evil.com.", dns.TypeIXFR), false},
		{"a subdomain of the rules' name does not", question("data.api.example.org.", dns.TypeA), false},
		{"nor does the apex of a wildcard", question("example.net.", dns.TypeA), false},
		{"nor what ends like a wildcard", question("evilexample.net.", dns.TypeA), false},
		{"nor what has an escaped dot in its place", question(`data\.example.net.`, dns.TypeA), false},
		{"nor what ends like the cluster's zone", question("evilcluster.local.", dns.TypeA), false},
		{"nor what has an escaped dot before it", question(`data\.cluster.local.`, dns.TypeA), false},
		{"nor does another element of the search path", question("api.example.org.ec2.internal.", dns.TypeA), false},
		{"nor does the root", question(".", dns.TypeNS), false},
		{"nor a reverse name that is not listed", question("1.2.0.192.in-addr.arpa.", dns.TypePTR), false},
		{"nor another class, which an own plugin may serve", with(question("version.bind.", dns.TypeTXT), func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }), false},
		{"nor a NOTIFY, though it names a name of the rules", with(question("api.example.org.", dns.TypeSOA), func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }), false},
	}
	for _, setting := range []struct {
		words string
		code  int
	}{{"", dns.RcodeNameError}, {"lockdown nxdomain", dns.RcodeNameError}, {"lockdown refused", dns.RcodeRefused}} {
		t.Run(setting.words, func(t *testing.T) {
			u := newUpstream(t, map[string]string{
				"api.example.org.": "api.example.org. 60 IN A 192.0.2.1", "a.b.example.net.": "a.b.example.net. 60 IN AAAA 2001:db8::1",
			})
			s := start(t, forwarding(u, "hold 0\n "+setting.words, "chaos version.bind"))
			s.lock(stream.Watch_ON, "api.example.org", "*.example.net")
			for _, network := range []string{"udp", "tcp"} {
				for _, tt := range tests {
					t.Run(network+" "+tt.sentence, func(t *testing.T) {
						s.judges(t, u, network, tt.ask.Copy(), tt.passes, setting.code)
					})
				}
			}
		})
	}
}

// judges sends one message and checks what became of it.
func (s *server) judges(t *testing.T, u *upstream, network string, ask *dns.Msg, passes bool, code int) {
	t.Helper()
	if ask.Opcode != dns.OpcodeQuery {
		code = dns.RcodeRefused
	}
	count := refused.WithLabelValues(label, dns.RcodeToString[code])
	forwarded, counts := len(u.heard()), counted(t, count)
	got := s.exchange(network, ask)
	heard := u.heard()[forwarded:]
	counts = counted(t, count) - counts
	if passes {
		if len(heard) != 1 || counts != 0 {
			t.Errorf("forwarded %q and counted %v, want one name forwarded and nothing counted", heard, counts)
		}
		return
	}
	if got.Rcode != code || len(got.Answer) > 0 {
		t.Errorf("got %v, want %s", got, dns.RcodeToString[code])
	}
	if len(heard) != 0 || counts != 1 {
		t.Errorf("forwarded %q and counted %v, want nothing forwarded and 1", heard, counts)
	}
}

// TestLockdownTransfer: a transfer that the server would give to everybody is
// refused for a zone outside of the rules (N9).
func TestLockdownTransfer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "zone")
	writeFile(t, path, "@ 60 IN SOA ns hostmaster 1 60 60 60 60\n@ 60 IN NS ns\nns 60 IN A 192.0.2.1\n")
	s := start(t, ".:PORT {\n nameward {\n  listen SOCKET\n }\n file "+path+" example.org\n transfer example.org {\n  to *\n }\n}\n")
	s.lock(stream.Watch_ON)
	got := s.exchange("tcp", new(dns.Msg).SetAxfr("example.org."))
	if got.Rcode != dns.RcodeNameError || len(got.Answer) > 0 {
		t.Errorf("got %v, want NXDOMAIN", got)
	}
}

// TestRefusal: what the client gets says that nobody else should keep it, and
// why, where the client can read that (RFC 8914).
func TestRefusal(t *testing.T) {
	u := newUpstream(t, nil)
	s := start(t, forwarding(u, "hold 0"))
	s.lock(stream.Watch_ON)
	got := s.exchange("udp", question("Data.evil.com.", dns.TypeTXT))
	if !got.Response || got.Authoritative || !got.RecursionAvailable || !got.RecursionDesired || len(got.Ns) > 0 {
		t.Errorf("got %v, want qr, rd and ra, no aa, and no SOA", got)
	}
	if got.Question[0].Name != "Data.evil.com." {
		t.Errorf("got question %q, want it as it was asked", got.Question[0].Name)
	}
	var why *dns.EDNS0_EDE
	if opt := got.IsEdns0(); opt != nil && len(opt.Option) == 1 {
		why, _ = opt.Option[0].(*dns.EDNS0_EDE)
	}
	if why == nil || why.InfoCode != dns.ExtendedErrorCodeBlocked || why.ExtraText == "" {
		t.Errorf("got %v, want extended error 15 with a text", got.Extra)
	}
	if got := s.exchange("udp", new(dns.Msg).SetQuestion("data.evil.com.", dns.TypeTXT)); len(got.Extra) > 0 {
		t.Errorf("a client without EDNS got %v (RFC 6891, 7)", got.Extra)
	}
}

// TestLockdownIsThePods proves N2 and N9: nobody else's names are filtered.
func TestLockdownIsThePods(t *testing.T) {
	u := newUpstream(t, map[string]string{"example.org.": organisation})
	s := start(t, forwarding(u, "hold 0"))
	s.lock(stream.Watch_ON)
	s.expect(s.ask("example.org.", query{client: "127.0.0.2"}), "NOERROR 192.0.2.1")
	s.expect(s.ask("example.org.", query{}), "NXDOMAIN")
}

// TestLockdownZones: the setting replaces the zones that every pod may ask (N9).
func TestLockdownZones(t *testing.T) {
	u := newUpstream(t, map[string]string{"www.corp.example.": "www.corp.example. 60 IN A 192.0.2.3"})
	s := start(t, forwarding(u, "hold 0\n lockdown refused Corp.Example 192.0.2.0/24"))
	s.lock(stream.Watch_ON)
	s.expect(s.ask("www.corp.example.", query{}), "NOERROR 192.0.2.3")
	s.expect(s.ask("1.2.0.192.in-addr.arpa.", query{qtype: dns.TypePTR}), "NXDOMAIN")
	s.expect(s.ask("1.3.0.192.in-addr.arpa.", query{qtype: dns.TypePTR}), "REFUSED")
	s.expect(s.ask("kubernetes.default.svc.cluster.local.", query{}), "REFUSED")
}

// TestLockdownOnTrial proves P23 for N9: counted, and answered.
func TestLockdownOnTrial(t *testing.T) {
	u := newUpstream(t, map[string]string{"example.org.": organisation})
	s := start(t, forwarding(u, "hold 0"))
	s.lock(stream.Watch_AUDIT, "other.org")
	count, refusals := wouldRefuse.WithLabelValues(label), refused.WithLabelValues(label, "NXDOMAIN")
	would, did := counted(t, count), counted(t, refusals)
	s.expect(s.ask("example.org.", query{}), "NOERROR 192.0.2.1")
	if counted(t, count) != would+1 || counted(t, refusals) != did {
		t.Errorf("counted %v on trial and %v refused, want 1 and 0", counted(t, count)-would, counted(t, refusals)-did)
	}
	s.expect(s.ask("other.org.", query{}), "NXDOMAIN")
	if counted(t, count) != would+1 {
		t.Error("a name of the rules was counted")
	}
}

// TestLockdownOfWhatCoreDNSAsksItself: a chain that leads out of the rules is the
// zone owner's doing, and CoreDNS may follow it (N9).
func TestLockdownOfWhatCoreDNSAsksItself(t *testing.T) {
	zone := filepath.Join(t.TempDir(), "zone")
	writeFile(t, zone, "@ 60 IN SOA ns hostmaster 1 60 60 60 60\n@ 60 IN NS ns\nns 60 IN A 192.0.2.1\nwww 60 IN CNAME target.example.org.\n")
	u := newUpstream(t, map[string]string{"target.example.org.": "target.example.org. 60 IN A 192.0.2.1"})
	resolv := filepath.Join(t.TempDir(), "resolv.conf")
	writeFile(t, resolv, "search shop.svc.cluster.local\n")
	s := start(t, forwarding(u, "hold 0", "file "+zone+" example.net", "autopath . "+resolv))
	s.lock(stream.Watch_ON, "www.example.net")
	s.expect(s.ask("www.example.net.", query{}), "NOERROR 192.0.2.1")
	s.expect(s.ask("target.example.org.", query{}), "NXDOMAIN")
}

// TestLockdownOfAutopath: a name of the cluster's zone that autopath would make
// another one of is forwarded in no form (N9).
func TestLockdownOfAutopath(t *testing.T) {
	resolv := filepath.Join(t.TempDir(), "resolv.conf")
	writeFile(t, resolv, "search shop.svc.cluster.local svc.cluster.local cluster.local ec2.internal\n")
	u := newUpstream(t, map[string]string{
		"api.example.org.": "api.example.org. 60 IN A 192.0.2.1", "data.evil.com.": "data.evil.com. 60 IN A 192.0.2.2",
	})
	s := start(t, forwarding(u, "hold 0", "autopath . "+resolv))
	s.lock(stream.Watch_ON, "api.example.org")
	for _, qtype := range []uint16{dns.TypeA, dns.TypeTXT} {
		s.expect(s.ask("data.evil.com.shop.svc.cluster.local.", query{qtype: qtype}), "NXDOMAIN")
	}
	s.expect(s.ask("api.example.org.shop.svc.cluster.local.", query{}), "NOERROR 192.0.2.1")
	for _, name := range u.heard() {
		if name != "api.example.org." && !dns.IsSubDomain("cluster.local.", name) {
			t.Errorf("%s was forwarded", name)
		}
	}
	s.expect(s.ask("data.evil.com.shop.svc.cluster.local.", query{client: "127.0.0.2"}), "NOERROR 192.0.2.2")
}

// TestLockdownOutlivesTheStream proves N9 while the enforcer restarts: it ends
// with the word of the next one, not with its Hello.
func TestLockdownOutlivesTheStream(t *testing.T) {
	u := newUpstream(t, map[string]string{"example.org.": organisation, "other.org.": "other.org. 60 IN A 192.0.2.2"})
	s := start(t, forwarding(u, "hold 5s servfail"))
	s.lock(stream.Watch_ON, "other.org").Close()
	enforcertest.Await(t, "the session is over", func() bool { return process.Sessions() == 0 })
	s.expect(s.ask("example.org.", query{}), "NXDOMAIN")
	s.expect(s.ask("other.org.", query{}), "NOERROR 192.0.2.2")
	if got := process.Kept(); got != 1 {
		t.Errorf("%d addresses are kept, want 1", got)
	}
	next := s.enforcer("node-a")
	s.expect(s.ask("example.org.", query{}), "NXDOMAIN")
	next.Subscribe(&stream.Subscription{Reset_: true})
	enforcertest.Await(t, "nothing is kept", func() bool { return process.Kept() == 0 })
	s.expect(s.ask("example.org.", query{}), "NOERROR 192.0.2.1")
}

// TestLockdownSparesOthers: the query of a pod that is not locked down costs no
// allocation (N9).
func TestLockdownSparesOthers(t *testing.T) {
	n := watched(t, func(context.Context, dns.ResponseWriter, *dns.Msg) (int, error) { return dns.RcodeSuccess, nil })
	r, client := question("example.org.", dns.TypeTXT), &remote{addr: &net.UDPAddr{IP: net.IPv4(192, 0, 2, 9)}}
	without := testing.AllocsPerRun(100, func() { plugin.NextOrFailure(pluginName, n.Next, t.Context(), client, r) })
	if got := testing.AllocsPerRun(100, func() { n.ServeDNS(t.Context(), client, r) }); got > without {
		t.Errorf("got %v allocations, want %v", got, without)
	}
}
