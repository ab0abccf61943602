package main

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/grants"
	"github.com/nameward/nameward/enforcer/policy"
)

// draftUnder is draftOf with terms of the policy.
func draftUnder(terms policy.NameTerms, rules ...policy.Rule) *draft {
	d := draftOf(rules...)
	w := worldOf(rules...)
	w.Policies[0].Names = terms
	d.compiled = policy.Compile(w)
	return d
}

// N5, N12: the kernel's expiry is that of the policy's terms, follows a change
// of them at once, and CoreDNS is told to forget what it was promised.
func TestTermsReachTheKernel(t *testing.T) {
	inBubble(t, newMemory(), func(t *testing.T, b *bench) {
		rule := named([]string{"example.com"}, 443)
		b.update(draftOf(rule))
		before := b.watches[0].Revision
		b.learn(1, "example.com", web)
		if got := b.kernel.held[web].Expires; got != 90*time.Second || b.acks[1] != got {
			t.Errorf("by the node's settings: got %v, promised %v, want 90 s", got, b.acks[1])
		}
		short := policy.NameTerms{Life: policy.Life{MinTTL: policy.Fixed(0), Grace: policy.Fixed(5 * time.Second)}}
		b.update(draftUnder(short, rule))
		if got := b.kernel.held[web].Expires; got != 35*time.Second {
			t.Errorf("by the policy's: got %v, want 35 s", got)
		}
		if b.watches[0].Revision == before {
			t.Errorf("revision: got %d again, want another, so that CoreDNS asks anew", before)
		}
		before = b.watches[0].Revision
		b.update(draftUnder(short, rule))
		if b.watches[0].Revision != before {
			t.Errorf("revision: got %d, want %d where nothing has changed", b.watches[0].Revision, before)
		}
		b.pass(34 * time.Second)
		if !b.opens(web) || !b.kernel.allows(web, 443) {
			t.Error("just before its time: denied, want it allowed")
		}
		b.pass(2 * time.Second)
		if b.opens(web) {
			t.Error("after its time: open, want it closed")
		}
	})
}

// N10, S3: a policy's private range opens the ports of its own rule alone; what
// another pattern of the name may not have is counted.
func TestPrivateTermsReachTheKernel(t *testing.T) {
	private := netip.MustParseAddr("10.9.0.7")
	m := newMemory()
	inBubble(t, m, func(t *testing.T, b *bench) {
		w := worldOf(named([]string{"db.example.com"}, 5432))
		w.Policies[0].Names.Private = []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}
		second := *w.Policies[0]
		second.Ref.Name, second.Names = "others", policy.NameTerms{}
		second.Egress = &policy.Section{Rules: []policy.Rule{named([]string{"*.example.com"}, 443)}}
		w.Policies = append(w.Policies, &second)
		d := draftOf()
		d.compiled = policy.Compile(w)
		b.update(d)
		b.learn(1, "db.example.com", private)
		b.learn(2, "www.example.com", other, netip.MustParseAddr("10.9.0.8"))
		if !m.allows(private, 5432) || m.allows(private, 443) || m.allows(other, 5432) || !m.allows(other, 443) {
			t.Errorf("got %v, want each address on the ports of its own rule", m.held)
		}
		if m.allows(netip.MustParseAddr("10.9.0.8"), 443) {
			t.Error("a private address of another pattern: allowed, want it refused")
		}
		for name, patterns := range map[string]string{"db.example.com": "*.example.com", "www.example.com": ""} {
			found := 0
			told := b.node.refusals.shares[refusalShare{podID, grants.ReasonPrivate}]
			for r := range told.counts {
				if r.name == name && r.what.Patterns == patterns {
					found++
				}
			}
			if found != 1 {
				t.Errorf("%s: got %v, want it told once that the address is not for %q", name, told.counts, patterns)
			}
		}
		w2 := *w
		closed := *w.Policies[0]
		closed.Names = policy.NameTerms{}
		w2.Policies = []*policy.Policy{&closed, &second}
		d2 := *d
		d2.compiled = d.compiled.Next(&w2)
		b.update(&d2)
		if m.allows(private, 5432) || !m.allows(other, 443) {
			t.Errorf("without the annotation: got %v, want the private address revoked alone", m.held)
		}
	})
}

const termsManifest = `
apiVersion: networking.k8s.aws/v1alpha1
kind: ApplicationNetworkPolicy
metadata:
  name: names
  namespace: app
  annotations: {nameward.io/min-ttl: MIN, nameward.io/grace: 0s, nameward.io/allow-private: "RANGE"}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to: [{domainNames: ["example.com"]}]
      ports: [{port: 80, protocol: TCP}]
`

// N5, N10, N12: annotations, from the manifest to the kernel and back out.
func TestAnnotationsOnARealKernel(t *testing.T) {
	s := newScene(t)
	s.up("lo", "127.0.0.3/8")
	s.pod = s.attach(podLink, "10.0.0.254/24", "10.0.0.1/24")
	world := s.attach(worldLink, "10.9.0.1/24", "10.9.0.7/24")
	const private = "10.9.0.7:80"
	s.echo(world, private)
	put := func(minTTL, private string) {
		s.put("names.yaml", strings.NewReplacer("MIN", minTTL, "RANGE", private).Replace(termsManifest))
	}
	s.put("cluster.yaml", clusterManifest)
	put("1h", "false")
	s.serveDNS()
	s.start()
	session := s.accept()
	at := netip.MustParseAddr("10.9.0.7")
	if ack := session.teach(t, podAddr, "example.com", at); ack.GetValidMs() != 0 {
		t.Errorf("a private address: got %v, want nothing granted", ack)
	}
	s.wantDial("a private address that nobody allows", private, false)
	if want := `learnt address refused`; !strings.Contains(s.log.String(), want) || !strings.Contains(s.log.String(), "name=example.com") {
		t.Errorf("want the refusal logged with the name, got\n%s", s.log.String())
	}

	put("1h", "10.9.0.0/24")
	session.awaitWatch(t) // CoreDNS hears of it, and replays
	if ack := session.teach(t, podAddr, "example.com", at); ack.GetValidMs() < 3_500_000 {
		t.Errorf("ack: got %v, want it valid for the hour of the annotation", ack)
	}
	s.wantDial("once the policy allows it", private, true)

	put("0s", "10.9.0.0/24") // the answer's own TTL of 30 s is all there is
	session.awaitWatch(t)
	s.wantDial("while the TTL lasts", private, true)
	if ack := session.teach(t, podAddr, "example.com", at); ack.GetValidMs() > 30_000 {
		t.Errorf("ack: got %v, want it valid for the TTL at most", ack)
	}

	put("0s", "10.9.1.0/24")
	session.awaitWatch(t)
	s.wantDial("once the policy allows another range", private, false)
}

// N6, N10: a range that a policy takes back ends what it held, at once.
func TestRangeTakenBackEndsWhatIsHeld(t *testing.T) {
	private := netip.MustParseAddr("10.9.0.7")
	m := newMemory()
	inBubble(t, m, func(t *testing.T, b *bench) {
		rule := named([]string{"example.com"}, 443)
		b.update(draftUnder(policy.NameTerms{Private: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}}, rule))
		b.learn(1, "example.com", private)
		class := policy.Compile(worldOf()).NameClass([]string{"example.com"})
		m.live = []datapath.Connected{{Addr: private, Class: class, Count: 1}}
		b.pass(2 * time.Minute)
		if b.opens(private) || !b.holds(private) {
			t.Fatalf("got %+v to begin with, want it held and closed", m.held[private])
		}
		b.update(draftOf(rule))
		if len(m.held) != 0 {
			t.Errorf("got %v, want nothing held without its range", m.held)
		}
		b.pass(time.Minute)
		if len(m.held) != 0 {
			t.Errorf("got %v later, want a connection that the guard refuses to hold nothing", m.held)
		}
	})
}
