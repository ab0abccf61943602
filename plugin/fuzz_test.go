package nameward

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/miekg/dns"
)

// FuzzAnswer proves N18 for any bytes that a plugin below may write: the client
// gets them as they are, once, whatever the plugin makes of them.
func FuzzAnswer(f *testing.F) {
	ask := new(dns.Msg).SetQuestion("l0.example.org.", dns.TypeA)
	reply := new(dns.Msg).SetReply(ask)
	reply.Answer = records(f, chain(3))
	wire, err := reply.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(wire)
	f.Add(wire[:len(wire)-1])
	f.Add([]byte{})
	// A name that points to itself (RFC 1035, 4.1.4).
	f.Add(append(bytes.Clone(wire[:12]), 0xc0, 12, 0, 1, 0, 1))
	f.Fuzz(func(t *testing.T, wire []byte) {
		n := watched(t, func(_ context.Context, w dns.ResponseWriter, _ *dns.Msg) (int, error) {
			count, err := w.Write(bytes.Clone(wire))
			if count != len(wire) || err != nil {
				t.Errorf("the plugin below is told of %d bytes and %v, want %d", count, err, len(wire))
			}
			return dns.RcodeSuccess, err
		})
		client := new(recorder)
		if _, err := n.ServeDNS(t.Context(), client, ask); err != nil {
			t.Errorf("got error %v, want none", err)
		}
		if len(client.msgs) != 0 || len(client.raw) != 1 || !bytes.Equal(client.raw[0], wire) {
			t.Errorf("the client got %d messages and %x, want %x alone", len(client.msgs), client.raw, wire)
		}
	})
}

// FuzzCorefile proves S5 for any block: what is accepted is within the bounds
// that the README gives, and what is refused is told with its line.
func FuzzCorefile(f *testing.F) {
	for _, text := range []string{
		"nameward",
		in("listen unix:///run/nameward/dns.sock", "hold 100ms servfail", "journal 64", "match_cname_targets"),
		in("listen tcp://127.0.0.1:7353", "listen tcp://[::1]:0"),
		in("hold -1s"), in("hold 1h"), in("journal 1e9"), in("listen unix://"), "nameward {", "nameward }", in("hold \"\""),
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		// Files are another parser's, and a fuzzer would open whatever there is.
		if strings.Contains(text, "/") && (strings.Contains(text, "tls") || strings.Contains(text, "kubeconfig")) {
			t.Skip()
		}
		s, err := parse(caddy.NewTestController("dns", text))
		if err != nil {
			if !strings.Contains(err.Error(), "Testfile:") && !strings.Contains(err.Error(), "can only be used once") {
				t.Fatalf("error %v names no line", err)
			}
			return
		}
		checkSettings(t, s)
	})
}

func checkSettings(t *testing.T, s *settings) {
	if s.hold < 0 || s.hold > 5*time.Second || s.servfail && s.hold == 0 {
		t.Errorf("hold %v, servfail %v are out of range", s.hold, s.servfail)
	}
	if s.journal < -1 || s.journal > 4096 {
		t.Errorf("journal %d is out of range", s.journal)
	}
	for _, e := range s.listen {
		again, err := parseEndpoint(e.String())
		if err != nil || again != e {
			t.Errorf("endpoint %v reads as %v, %v", e, again, err)
		}
		switch {
		case e.Network == "unix" && filepath.IsAbs(e.Address) && len(e.Address) <= 107:
		case e.Network == "tcp" && s.certs != nil:
		default:
			t.Errorf("endpoint %v is accepted with certificates %v", e, s.certs != nil)
		}
	}
}
