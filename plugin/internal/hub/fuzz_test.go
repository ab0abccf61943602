package hub

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/nameward/nameward/plugin/internal/enforcertest"
	"github.com/nameward/nameward/plugin/stream"
)

// FuzzSession proves N16 and N18 for any messages of an enforcer: a session
// never holds more than its bounds, what it watches is what queries find, an
// answer is never stopped by it, and nothing of it is left once it has gone.
func FuzzSession(f *testing.F) {
	watch := &stream.Watch{Addresses: [][]byte{enforcertest.Bytes(pod.String())}, Patterns: []string{"example.org", "*.example.net"}}
	locked := &stream.Watch{Addresses: watch.GetAddresses(), Lockdown: stream.Watch_ON}
	for _, conversation := range [][]*stream.ClientMessage{
		{},
		{subscription(&stream.Subscription{Reset_: true, More: true, Watches: []*stream.Watch{watch}}), subscription(&stream.Subscription{Watches: []*stream.Watch{locked}})},
		{subscription(&stream.Subscription{Reset_: true, Watches: []*stream.Watch{watch}}), enforcertest.Ack(1, time.Minute)},
		{subscription(&stream.Subscription{Watches: []*stream.Watch{watch, watch}}), subscription(&stream.Subscription{Removed: watch.GetAddresses()})},
		{enforcertest.Hello(&stream.Hello{Version: stream.Version, Node: "n"})},
		{enforcertest.Ack(1<<63, 1<<62), enforcertest.Ack(0, 0)},
	} {
		f.Add(written(f, conversation))
	}
	f.Fuzz(func(t *testing.T, conversation []byte) {
		h := New(newClock().Now, discard{})
		h.SetJournal(16)
		s := newSession(h, "node-a")
		s.out = unheard{}
		if err := h.admit(s, &stream.Hello{Version: stream.Version, Node: "node-a"}); err != nil {
			t.Fatal(err)
		}
		for _, m := range read(conversation) {
			if err := s.apply(m); err != nil {
				s.end(err)
				break
			}
			checkSession(t, h, s)
			// Held by nobody for long: the bound is the hold of the block.
			if got, _ := h.Answer(t.Context(), pod, answer("example.org", 60, "192.0.2.1"), time.Nanosecond); got == OutcomeUnknown {
				t.Fatal("an answer has no outcome")
			}
		}
		s.end(nil)
		h.dismiss(s)
		if h.Sessions() != 0 || h.Watched() != 0 {
			t.Fatalf("%d sessions and %d watches are left", h.Sessions(), h.Watched())
		}
		// N9: what is kept instead goes with the next word for the node.
		say(t, h.speaker(t, "node-a"), step{reset: true})
		if len(h.kept) > 0 || h.LockedDown(pod) != LockdownOff {
			t.Fatalf("a lockdown is left: %v", h.kept)
		}
	})
}

// unheard is a stream whose other end takes everything.
type unheard struct{ stream.Names_SessionServer }

func (unheard) Send(*stream.ServerMessage) error { return nil }

func checkSession(t *testing.T, h *Hub, s *session) {
	if len(s.watches) > stream.MaxWatched {
		t.Fatalf("%d addresses are watched, want at most %d", len(s.watches), stream.MaxWatched)
	}
	if len(s.draft) > stream.MaxWatched || len(s.unplayed) > len(s.draft) {
		t.Fatalf("%d addresses and %d watches wait for the end of a change", len(s.draft), len(s.unplayed))
	}
	for addr, w := range s.watches {
		if !slices.Contains(h.directory.lookup(addr), w) {
			t.Fatalf("the watch of %v is not found by a query", addr)
		}
	}
	if h.Watched() != len(s.watches) {
		t.Fatalf("%d addresses are watched by queries, %d by the session", h.Watched(), len(s.watches))
	}
}

// FuzzHello: what passes the check says version, node and addresses within
// bounds.
func FuzzHello(f *testing.F) {
	for _, hello := range []*stream.Hello{
		{Version: stream.Version, Node: "node-a", NodeAddresses: [][]byte{{10, 0, 0, 1}}},
		{Version: stream.Version + 1, Node: "node-a"}, {Version: stream.Version}, {},
	} {
		wire, err := proto.Marshal(hello)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		hello := new(stream.Hello)
		if proto.Unmarshal(wire, hello) != nil {
			return
		}
		got, err := checkHello(hello)
		if (got == nil) == (err == nil) {
			t.Fatalf("got %v beside %v", got, err)
		}
		if err == nil && (got.GetVersion() != stream.Version || got.GetNode() == "" || len(got.GetNodeAddresses()) > stream.MaxNodeAddresses) {
			t.Fatalf("%v is accepted", got)
		}
	})
}

// written joins messages, each behind its length.
func written(tb testing.TB, conversation []*stream.ClientMessage) []byte {
	tb.Helper()
	var out []byte
	for _, m := range conversation {
		wire, err := proto.Marshal(m)
		if err != nil {
			tb.Fatal(err)
		}
		out = protowire.AppendBytes(out, wire)
	}
	return out
}

// read takes as many messages as there are; what is none ends a stream before
// it comes to the session.
func read(conversation []byte) (out []*stream.ClientMessage) {
	for len(conversation) > 0 {
		size, n := binary.Uvarint(conversation)
		if n <= 0 || size > uint64(len(conversation)-n) {
			return out
		}
		m := new(stream.ClientMessage)
		if proto.Unmarshal(conversation[n:n+int(size)], m) != nil {
			return out
		}
		out, conversation = append(out, m), conversation[n+int(size):]
	}
	return out
}

// FuzzIdentity proves N16 for whatever a certificate of a trusted authority may
// say: the node is one that the certificate names word for word, and only one.
func FuzzIdentity(f *testing.F) {
	f.Add("system:node:node-a", "spiffe://example.org/ns/x/node/node-a")
	f.Add("node-a", "spiffe://example.org/node/node-b")
	f.Add("system:node:node-a", "spiffe://example.org/node/node-b")
	f.Add("system:node:", "spiffe://example.org/node/a%2Fb")
	f.Add("", "https://example.org/node/node-a")
	f.Fuzz(func(t *testing.T, name, text string) {
		cert := &x509.Certificate{Subject: pkix.Name{CommonName: name}}
		uri, err := url.Parse(text)
		if err == nil {
			cert.URIs = []*url.URL{uri}
		}
		node, err := nodeOfCertificate(cert)
		if (node == "") == (err == nil) {
			t.Fatalf("got %q beside %v", node, err)
		}
		if err != nil {
			return
		}
		byName := name == "system:node:"+node
		byURI := uri != nil && uri.Scheme == "spiffe" && strings.HasSuffix(uri.Path, "/node/"+node)
		if !byName && !byURI {
			t.Fatalf("%q and %q are taken for node %q", name, text, node)
		}
		if other, ok := strings.CutPrefix(name, "system:node:"); ok && other != "" && other != node {
			t.Fatalf("%q and %q name two nodes, and %q is taken", name, text, node)
		}
	})
}
