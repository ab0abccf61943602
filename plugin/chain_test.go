package nameward

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

// TestAutopath proves N4's exception with the plugin it is for: one answer to
// the first name of the search path, and the rule names what the pod meant.
func TestAutopath(t *testing.T) {
	resolv := filepath.Join(t.TempDir(), "resolv.conf")
	writeFile(t, resolv, "search shop.svc.cluster.local svc.cluster.local cluster.local\n")
	u := newUpstream(t, map[string]string{"api.example.org.": "api.example.org. 60 IN A 192.0.2.1"})
	s := start(t, forwarding(u, "hold 5s servfail", "autopath . "+resolv))
	e := s.watch([]string{"api.example.org"}, "127.0.0.1")
	r := s.ask("api.example.org.shop.svc.cluster.local.", query{})
	m := e.Learned()
	if m.GetName() != "api.example.org" {
		t.Errorf("learned %q, want api.example.org", m.GetName())
	}
	e.Ack(m.GetSeq(), time.Hour)
	s.expect(r, "NOERROR 192.0.2.1")
}

// TestNoAutopath proves N4 in a zone that autopath is not for: its owner cannot
// teach a name of the rules by a chain that looks like autopath's.
func TestNoAutopath(t *testing.T) {
	resolv := filepath.Join(t.TempDir(), "resolv.conf")
	writeFile(t, resolv, "search shop.svc.cluster.local svc.cluster.local cluster.local\n")
	const lure = "api.example.org.shop.svc.example.net."
	u := newUpstream(t, map[string]string{
		lure:                "api.example.org.shop.svc.example.net. 60 IN CNAME api.example.org.\napi.example.org. 60 IN A 192.0.2.1",
		"last.example.org.": "last.example.org. 60 IN A 192.0.2.2",
	})
	for name, words := range map[string]string{"autopath elsewhere": "autopath cluster.local " + resolv, "no autopath": ""} {
		t.Run(name, func(t *testing.T) {
			s := start(t, forwarding(u, "hold 0", words))
			e := s.watch([]string{"api.example.org", "last.example.org"}, "127.0.0.1")
			s.expect(s.ask(lure, query{}), "NOERROR 192.0.2.1")
			s.expect(s.ask("last.example.org.", query{}), "NOERROR 192.0.2.2")
			if m := e.Learned(); m.GetName() != "last.example.org" {
				t.Errorf("learned %q, which its own zone did not answer", m.GetName())
			}
		})
	}
}

// TestCoreDNSAsksItself proves N4 and N11 where a zone's CNAME leads out of it:
// CoreDNS resolves the target through the whole chain, in the client's name, and
// a rule that names the target still does not match.
func TestCoreDNSAsksItself(t *testing.T) {
	zone := filepath.Join(t.TempDir(), "zone")
	writeFile(t, zone, "@ 60 IN SOA ns hostmaster 1 60 60 60 60\n@ 60 IN NS ns\nns 60 IN A 192.0.2.1\nwww 60 IN CNAME target.example.org.\n")
	u := newUpstream(t, map[string]string{
		"target.example.org.": "target.example.org. 60 IN A 192.0.2.1",
		"last.example.org.":   "last.example.org. 60 IN A 192.0.2.2",
	})
	s := start(t, forwarding(u, "hold 0", "file "+zone+" example.net"))
	e := s.watch([]string{"target.example.org", "last.example.org"}, "127.0.0.1")
	s.expect(s.ask("www.example.net.", query{}), "NOERROR 192.0.2.1")
	s.expect(s.ask("last.example.org.", query{}), "NOERROR 192.0.2.2")
	if m := e.Learned(); m.GetName() != "last.example.org" {
		t.Errorf("learned %q, which the client did not ask", m.GetName())
	}
	// A client that asks for the target itself gets its rule.
	s.expect(s.ask("target.example.org.", query{}), "NOERROR 192.0.2.1")
	if m := e.Learned(); m.GetName() != "target.example.org" {
		t.Errorf("learned %q, want target.example.org", m.GetName())
	}
}

// TestCutChain: an answer whose chain breaks off teaches nothing, and waits for
// nobody.
func TestCutChain(t *testing.T) {
	u := newUpstream(t, map[string]string{"www.example.org.": "www.example.org. 60 IN CNAME gone.example.net.\nother.example.net. 60 IN A 192.0.2.1"})
	s := start(t, forwarding(u, "hold 5s servfail"))
	e := s.watch([]string{"*.example.org"}, "127.0.0.1")
	s.expect(s.ask("www.example.org.", query{}), "NOERROR 192.0.2.1")
	if got := e.Pending(); got != 0 {
		t.Errorf("%d messages, want none", got)
	}
}

// TestManyNames: pods that ask for many names at once share one stream.
func TestManyNames(t *testing.T) {
	const many = 200
	names := make(map[string]string)
	for i := range many {
		name := fmt.Sprintf("n%d.example.org.", i)
		names[name] = name + " 60 IN A 192.0.2.1"
	}
	u := newUpstream(t, names)
	s := start(t, forwarding(u, "hold 5s servfail", "cache"))
	s.watch([]string{"*.example.org"}, "127.0.0.1", "127.0.0.2").AckAll(time.Hour)
	var replies []<-chan reply
	for name := range names {
		for _, pod := range []string{"127.0.0.1", "127.0.0.2"} {
			replies = append(replies, s.ask(name, query{client: pod, network: "tcp"}))
		}
	}
	for _, r := range replies {
		s.expect(r, "NOERROR 192.0.2.1")
	}
}
