package nameward

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/miekg/dns"

	"github.com/nameward/nameward/plugin/internal/apiserver/apitest"
	"github.com/nameward/nameward/plugin/internal/enforcertest"
	"github.com/nameward/nameward/plugin/stream"
)

// TestReloadedHold proves N17 and N3: the new bound holds for the next answer.
func TestReloadedHold(t *testing.T) {
	u := newUpstream(t, map[string]string{"a.example.org.": "a.example.org. 60 IN A 192.0.2.1", "b.example.org.": "b.example.org. 60 IN A 192.0.2.2"})
	s := start(t, forwarding(u, "hold 20ms servfail"))
	e := s.watch([]string{"*.example.org"}, "127.0.0.1")
	s.expect(s.ask("a.example.org.", query{}), "SERVFAIL")
	e.Learned()
	if err := s.reload(forwarding(u, "hold 0")); err != nil {
		t.Fatal(err)
	}
	s.expect(s.ask("b.example.org.", query{}), "NOERROR 192.0.2.2")
	if m := e.Learned(); m.GetName() != "b.example.org" {
		t.Errorf("learned %v, want b.example.org", m)
	}
}

// TestReloadedLockdown proves N17 and N9: the new code and the new zones hold for
// the next query.
func TestReloadedLockdown(t *testing.T) {
	u := newUpstream(t, map[string]string{"www.corp.example.": "www.corp.example. 60 IN A 192.0.2.1"})
	s := start(t, forwarding(u, "hold 0"))
	s.lock(stream.Watch_ON)
	for _, tt := range []struct{ words, want string }{
		{"hold 0\n  lockdown nxdomain", "NXDOMAIN"},
		{"hold 0\n  lockdown refused", "REFUSED"},
		{"hold 0\n  lockdown refused corp.example", "NOERROR 192.0.2.1"},
	} {
		if err := s.reload(forwarding(u, tt.words)); err != nil {
			t.Fatal(err)
		}
		if got := describe(s.exchange("udp", question("www.corp.example.", dns.TypeA))); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.words, got, tt.want)
		}
	}
}

// TestReloadedAuthentication proves N17 and N16: who comes after the reload proves
// the node as the new Corefile says; who is there stays.
func TestReloadedAuthentication(t *testing.T) {
	authority, api := enforcertest.NewAuthority(t), apitest.Start(t)
	api.Accept("a.good.one", apitest.Token{Account: "system:serviceaccount:kube-system:nameward", Audiences: []string{"nameward"}, Node: "node-b"})
	cert, key, ca := authority.Write(t.TempDir(), "coredns")
	u := newUpstream(t, map[string]string{"example.org.": organisation})
	file := func(words string) string {
		return strings.Replace(forwarding(u, "hold 5s servfail\n  "+words), "SOCKET", "tcp://127.0.0.1:0", 1)
	}
	s := start(t, file("tls "+cert+" "+key+" "+ca))
	target := handlerOf(s.instance).instance.leases[0].Addr().String()
	e := enforcertest.Dial(t, target, "node-a", authority.Node("node-a"))
	e.Watch("127.0.0.1", "example.org")
	enforcertest.Await(t, "the watch is placed", func() bool { return process.Watched() == 1 })

	tokens := "tls " + cert + " " + key + "\n  authenticate token nameward kube-system/nameward\n  kubeconfig " + api.Kubeconfig()
	if err := s.reload(file(tokens)); err != nil {
		t.Fatal(err)
	}
	late := enforcertest.Connect(t, target, authority.Node("node-b"))
	late.Offer(enforcertest.Hello(&stream.Hello{Version: stream.Version, Node: "node-b"}))
	if err := late.Refusal(); status.Code(err) != codes.Unauthenticated {
		t.Errorf("a certificate where a token is wanted: got %v, want Unauthenticated", err)
	}
	enforcertest.Dial(t, target, "node-b", authority.Token("a.good.one")...)
	r := s.ask("example.org.", query{})
	e.Ack(e.Learned().GetSeq(), time.Hour)
	s.expect(r, "NOERROR 192.0.2.1")
}
