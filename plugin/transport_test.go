package nameward

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/coredns/coredns/pb"
	_ "github.com/coredns/coredns/plugin/tls"
	"github.com/miekg/dns"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/nameward/nameward/plugin/internal/enforcertest"
	"github.com/nameward/nameward/plugin/internal/hub"
	"github.com/nameward/nameward/plugin/stream"
)

// TestEncryptedTransports proves N11 for DNS over TLS, over HTTPS and over gRPC.
func TestEncryptedTransports(t *testing.T) {
	authority := enforcertest.NewAuthority(t)
	cert, key, _ := authority.Write(t.TempDir(), "coredns")
	config := authority.Client(nil)
	config.NextProtos = nil
	ask := new(dns.Msg).SetQuestion("example.org.", dns.TypeA)
	tests := []struct {
		scheme   string
		exchange func(port string) (*dns.Msg, error)
	}{
		{"tls", func(port string) (*dns.Msg, error) {
			client := &dns.Client{Net: "tcp-tls", TLSConfig: config, Timeout: 10 * time.Second}
			m, _, err := client.Exchange(ask, net.JoinHostPort("127.0.0.1", port))
			return m, err
		}},
		{"https", func(port string) (*dns.Msg, error) { return overHTTPS(config, port, ask) }},
		{"grpc", func(port string) (*dns.Msg, error) { return overGRPC(config, port, ask) }},
	}
	for _, tt := range tests {
		t.Run(tt.scheme, func(t *testing.T) {
			u := newUpstream(t, map[string]string{"example.org.": organisation})
			corefile := forwarding(u, "hold 5s servfail") + tt.scheme + "://.:PORT {\n tls " + cert + " " + key + "\n nameward {\n  hold 5s servfail\n }\n forward . " + u.address + "\n}\n"
			s := start(t, corefile)
			e := s.watch([]string{"example.org"}, "127.0.0.1")
			e.AckAll(time.Hour)
			before := process.Stats().Live.Load()
			for _, listener := range s.instance.Servers() {
				if listener.LocalAddr() != nil {
					continue // plain DNS
				}
				m, err := tt.exchange(portOf(t, listener.Addr()))
				if err != nil {
					t.Fatal(err)
				}
				if got := describe(m); got != "NOERROR 192.0.2.1" {
					t.Errorf("got %q", got)
				}
				// N9: an encrypted question is refused as any other.
				e.Lock(stream.Watch_ON, "127.0.0.1")
				enforcertest.Await(t, "the client is locked down", func() bool {
					return process.LockedDown(netip.MustParseAddr("127.0.0.1")) == hub.LockdownOn
				})
				if m, err = tt.exchange(portOf(t, listener.Addr())); err != nil {
					t.Fatal(err)
				}
				if got := describe(m); got != "NXDOMAIN" {
					t.Errorf("locked down: got %q", got)
				}
				unlock(s, e)
			}
			enforcertest.Await(t, "the answer was learnt", func() bool { return process.Stats().Live.Load() > before })
		})
	}
}

func overHTTPS(config *tls.Config, port string, ask *dns.Msg) (*dns.Msg, error) {
	wire, err := ask.Pack()
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Post("https://127.0.0.1:"+port+"/dns-query", "application/dns-message", bytes.NewReader(wire))
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	m := new(dns.Msg)
	return m, m.Unpack(body)
}

func overGRPC(config *tls.Config, port string, ask *dns.Msg) (*dns.Msg, error) {
	wire, err := ask.Pack()
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient("127.0.0.1:"+port, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	reply, err := pb.NewDnsServiceClient(conn).Query(context.Background(), &pb.DnsPacket{Msg: wire})
	if err != nil {
		return nil, err
	}
	m := new(dns.Msg)
	return m, m.Unpack(reply.GetMsg())
}

// TestNodeIsNoPod proves N14: a query from a node's own address is counted.
func TestNodeIsNoPod(t *testing.T) {
	u := newUpstream(t, map[string]string{"example.org.": organisation})
	s := start(t, forwarding(u, "hold 5s servfail"))
	e := enforcertest.Connect(t, s.socket)
	e.Send(enforcertest.Hello(&stream.Hello{
		Version: stream.Version, Node: "node-a", NodeAddresses: [][]byte{enforcertest.Bytes("127.0.0.9")},
	}))
	e.Welcome()
	before := counted(t, identityLost.WithLabelValues(label))
	s.expect(s.ask("example.org.", query{client: "127.0.0.9"}), "NOERROR 192.0.2.1")
	s.expect(s.ask("example.org.", query{client: "127.0.0.8"}), "NOERROR 192.0.2.1")
	if got := counted(t, identityLost.WithLabelValues(label)) - before; got != 1 {
		t.Errorf("counted %v, want 1", got)
	}
}
