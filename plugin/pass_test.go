package nameward

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/test"
	"github.com/miekg/dns"
)

// TestUpstreamFailure proves N18 for the failure that writes nothing: the server
// answers outside of the chain, and the plugin has no message to look at.
func TestUpstreamFailure(t *testing.T) {
	gone, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &upstream{address: gone.LocalAddr().String()}
	gone.Close()
	s := start(t, forwarding(u, "hold 5s servfail"))
	s.watch([]string{"example.org"}, "127.0.0.1")
	s.expect(s.ask("example.org.", query{network: "tcp"}), "SERVFAIL")
}

// TestTransferPasses proves N18: a zone transfer is many messages.
func TestTransferPasses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "zone")
	writeFile(t, path, "@ 60 IN SOA ns hostmaster 1 60 60 60 60\n@ 60 IN NS ns\nns 60 IN A 192.0.2.1\n")
	s := start(t, ".:PORT {\n nameward {\n  listen SOCKET\n }\n file "+path+" example.org\n transfer example.org {\n  to *\n }\n}\n")
	s.watch([]string{"*.example.org"}, "127.0.0.1")
	_, port, err := net.SplitHostPort(s.instance.Servers()[0].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	envelopes, err := new(dns.Transfer).In(new(dns.Msg).SetAxfr("example.org."), net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		t.Fatal(err)
	}
	records := 0
	for e := range envelopes {
		if e.Error != nil {
			t.Fatal(e.Error)
		}
		records += len(e.RR)
	}
	if records != 4 {
		t.Errorf("got %d records, want 4", records)
	}
}

// recorder is a client that keeps what it gets.
type recorder struct {
	test.ResponseWriter
	msgs []*dns.Msg
	raw  [][]byte
	fail error
}

func (r *recorder) WriteMsg(m *dns.Msg) error {
	r.msgs = append(r.msgs, m)
	return r.fail
}

func (r *recorder) Write(b []byte) (int, error) {
	r.raw = append(r.raw, b)
	return len(b), r.fail
}

// watched is a handler without CoreDNS around it, and a journal that makes every
// answer worth a look.
func watched(t testing.TB, next plugin.HandlerFunc) *Nameward {
	t.Helper()
	process.SetJournal(16)
	t.Cleanup(func() { process.SetJournal(0) })
	return &Nameward{Next: next, hub: process}
}

// TestHandlerPassesThrough proves N18: what comes out is what went in, be it the
// message itself, its bytes, a code or an error.
func TestHandlerPassesThrough(t *testing.T) {
	ask := new(dns.Msg).SetQuestion("example.org.", dns.TypeA)
	reply := new(dns.Msg).SetReply(ask)
	reply.Answer = records(t, "example.org. 60 IN A 192.0.2.1")
	wire, err := reply.Pack()
	if err != nil {
		t.Fatal(err)
	}
	failure := errors.New("upstream")
	chaos := new(dns.Msg).SetQuestion("version.bind.", dns.TypeTXT)
	chaos.Question[0].Qclass = dns.ClassCHAOS
	tests := []struct {
		name      string
		ask       *dns.Msg
		next      plugin.HandlerFunc
		code      int
		msgs, raw int
		err       error
	}{
		{"a message", ask, func(_ context.Context, w dns.ResponseWriter, _ *dns.Msg) (int, error) {
			return dns.RcodeSuccess, w.WriteMsg(reply)
		}, dns.RcodeSuccess, 1, 0, nil},
		{"bytes", ask, func(_ context.Context, w dns.ResponseWriter, _ *dns.Msg) (int, error) {
			_, err := w.Write(wire)
			return dns.RcodeSuccess, err
		}, dns.RcodeSuccess, 0, 1, nil},
		{"bytes that are no message", ask, func(_ context.Context, w dns.ResponseWriter, _ *dns.Msg) (int, error) {
			_, err := w.Write([]byte{1})
			return dns.RcodeSuccess, err
		}, dns.RcodeSuccess, 0, 1, nil},
		{"nothing written", ask, func(context.Context, dns.ResponseWriter, *dns.Msg) (int, error) {
			return dns.RcodeServerFailure, failure
		}, dns.RcodeServerFailure, 0, 0, failure},
		{"another class", chaos, func(_ context.Context, w dns.ResponseWriter, _ *dns.Msg) (int, error) {
			return dns.RcodeSuccess, w.WriteMsg(reply)
		}, dns.RcodeSuccess, 1, 0, nil},
		{"two questions", &dns.Msg{Question: append(ask.Question, ask.Question...)}, func(_ context.Context, w dns.ResponseWriter, _ *dns.Msg) (int, error) {
			return dns.RcodeFormatError, nil
		}, dns.RcodeFormatError, 0, 0, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := &recorder{}
			code, err := watched(t, tt.next).ServeDNS(t.Context(), client, tt.ask)
			if code != tt.code || !errors.Is(err, tt.err) {
				t.Errorf("got %d and %v, want %d and %v", code, err, tt.code, tt.err)
			}
			if len(client.msgs) != tt.msgs || len(client.raw) != tt.raw {
				t.Errorf("the client got %d messages and %d raw, want %d and %d", len(client.msgs), len(client.raw), tt.msgs, tt.raw)
			}
			if len(client.msgs) == 1 && client.msgs[0] != reply {
				t.Error("the client got another message than the one that was written")
			}
			if tt.name == "bytes" && string(client.raw[0]) != string(wire) {
				t.Error("the client got other bytes than those that were written")
			}
		})
	}
}

func TestWriteErrorIsReported(t *testing.T) {
	ask := new(dns.Msg).SetQuestion("example.org.", dns.TypeA)
	failure := errors.New("broken pipe")
	n := watched(t, func(_ context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
		return dns.RcodeSuccess, w.WriteMsg(new(dns.Msg).SetReply(r))
	})
	if code, err := n.ServeDNS(t.Context(), &recorder{fail: failure}, ask); code != dns.RcodeSuccess || !errors.Is(err, failure) {
		t.Errorf("got %d and %v, want %d and %v", code, err, dns.RcodeSuccess, failure)
	}
}

// stringAddr is the address of a transport that is neither UDP nor TCP.
type stringAddr string

func (a stringAddr) Network() string { return "x" }
func (a stringAddr) String() string  { return string(a) }

type remote struct {
	test.ResponseWriter
	addr net.Addr
}

func (r *remote) RemoteAddr() net.Addr { return r.addr }

func TestClientOf(t *testing.T) {
	tests := []struct {
		name string
		addr net.Addr
		want string
	}{
		{"UDP", &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 1}, "10.0.0.1"},
		{"TCP over v6", &net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 1}, "2001:db8::1"},
		{"a mapped address", &net.UDPAddr{IP: net.ParseIP("::ffff:10.0.0.1"), Port: 1}, "10.0.0.1"},
		{"a zone is of this host only", &net.UDPAddr{IP: net.ParseIP("fe80::1"), Port: 1, Zone: "lo"}, "fe80::1"},
		{"another transport", stringAddr("[2001:db8::1]:53"), "2001:db8::1"},
		{"no address", stringAddr("pipe"), "invalid IP"},
		{"none at all", nil, "invalid IP"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := clientOf(&remote{addr: tt.addr}).String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
