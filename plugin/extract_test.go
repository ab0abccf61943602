package nameward

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/nameward/nameward/plugin/names"
	"github.com/nameward/nameward/plugin/stream"
)

// TestExtract proves N4 and the TTL half of N5.
func TestExtract(t *testing.T) {
	tests := []struct {
		name      string
		question  string
		answer    string // records, one a line
		match     targets
		names     string // separated by spaces
		addresses string // IP/TTL, separated by spaces
	}{
		{
			name:     "addresses of the question",
			question: "example.org.", answer: "example.org. 30 IN A 192.0.2.1\nexample.org. 20 IN AAAA 2001:db8::1",
			names: "example.org", addresses: "192.0.2.1/30 2001:db8::1/20",
		},
		{
			name:     "the question's case and the records' case do not matter",
			question: "eXample.ORG.", answer: "EXAMPLE.org. 30 IN A 192.0.2.1",
			names: "example.org", addresses: "192.0.2.1/30",
		},
		{
			name:     "an address of another owner is not of the chain",
			question: "example.org.", answer: "example.net. 30 IN A 192.0.2.1",
			names: "example.org",
		},
		{
			name:     "the chain is followed in any order of the records, with its smallest TTL",
			question: "example.org.",
			answer:   "c.example.net. 300 IN A 192.0.2.1\nb.example.net. 7 IN CNAME c.example.net.\nexample.org. 60 IN CNAME b.example.net.",
			names:    "example.org", addresses: "192.0.2.1/7",
		},
		{
			name:     "with the setting every link may match",
			question: "example.org.", match: everyTarget,
			answer: "example.org. 60 IN CNAME B.example.net.\nb.example.net. 7 IN CNAME c.example.net.\nc.example.net. 300 IN A 192.0.2.1",
			names:  "example.org b.example.net c.example.net", addresses: "192.0.2.1/7",
		},
		{
			name:     "what autopath answers may match by its target",
			question: "api.example.org.shop.svc.cluster.local.", match: searchTarget,
			answer: "api.example.org.shop.svc.cluster.local. 5 IN CNAME api.example.org.\napi.example.org. 60 IN CNAME cdn.example.net.\ncdn.example.net. 60 IN A 192.0.2.1",
			names:  "api.example.org.shop.svc.cluster.local api.example.org", addresses: "192.0.2.1/5",
		},
		{
			name:     "where no autopath is, what looks like its answer does not match by its target",
			question: "api.example.org.shop.svc.example.net.",
			answer:   "api.example.org.shop.svc.example.net. 5 IN CNAME api.example.org.\napi.example.org. 60 IN A 192.0.2.1",
			names:    "api.example.org.shop.svc.example.net", addresses: "192.0.2.1/5",
		},
		{
			name:     "the target of an external name service does not match",
			question: "db.shop.svc.cluster.local.", match: searchTarget,
			answer: "db.shop.svc.cluster.local. 5 IN CNAME api.example.org.\napi.example.org. 60 IN A 192.0.2.1",
			names:  "db.shop.svc.cluster.local", addresses: "192.0.2.1/5",
		},
		{
			name:     "a synthesised CNAME of a DNAME is a link, the DNAME is none",
			question: "a.example.org.",
			answer:   "example.org. 9 IN DNAME example.net.\na.example.org. 9 IN CNAME a.example.net.\na.example.net. 60 IN A 192.0.2.1",
			names:    "a.example.org", addresses: "192.0.2.1/9",
		},
		{
			name:     "hints of HTTPS and SVCB count as addresses of their owner",
			question: "example.org.",
			answer:   "example.org. 30 IN HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1\nexample.org. 20 IN SVCB 1 . ipv4hint=192.0.2.3",
			names:    "example.org", addresses: "192.0.2.1/30 192.0.2.2/30 2001:db8::1/30 192.0.2.3/20",
		},
		{
			name:     "a mapped address is what a client connects to",
			question: "example.org.", answer: "example.org. 30 IN AAAA ::ffff:192.0.2.1",
			names: "example.org", addresses: "192.0.2.1/30",
		},
		{
			name:     "N5: a TTL of more than a week is a week",
			question: "example.org.", answer: "example.org. 4294967295 IN A 192.0.2.1",
			names: "example.org", addresses: "192.0.2.1/604800",
		},
		{
			name:     "N5: the records of a set have its smallest TTL, another set has its own",
			question: "example.org.",
			answer:   "example.org. 400 IN A 192.0.2.1\nexample.org. 40 IN A 192.0.2.1\nexample.org. 60 IN A 192.0.2.2\nexample.org. 90 IN AAAA 2001:db8::1\nexample.net. 5 IN A 192.0.2.1",
			names:    "example.org", addresses: "192.0.2.1/40 192.0.2.1/40 192.0.2.2/40 2001:db8::1/90",
		},
		{
			name:     "a loop ends",
			question: "a.example.org.",
			answer:   "a.example.org. 30 IN CNAME b.example.org.\nb.example.org. 30 IN CNAME a.example.org.\nb.example.org. 30 IN A 192.0.2.1",
			names:    "a.example.org", addresses: "192.0.2.1/30",
		},
		{
			name:     "sixteen links are followed",
			question: "l0.example.org.", answer: chain(16),
			names: "l0.example.org", addresses: "192.0.2.1/30",
		},
		{
			name:     "seventeen are not",
			question: "l0.example.org.", answer: chain(17),
			names: "l0.example.org",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := new(extraction)
			x.read(tt.question, records(t, tt.answer), tt.match)
			if got := strings.Join(x.names, " "); got != tt.names {
				t.Errorf("got names %s, want %s", got, tt.names)
			}
			if got := addressesOf(x); got != tt.addresses {
				t.Errorf("got addresses %s, want %s", got, tt.addresses)
			}
		})
	}
}

func TestMadeByAutopath(t *testing.T) {
	tests := []struct {
		name, question, target string
		want                   bool
	}{
		{"the bare name", "api.example.org.shop.svc.cluster.local", "api.example.org", true},
		{"a later element of the search path", "web.other.shop.svc.cluster.local", "web.other.svc.cluster.local", true},
		{"an element of the host's search path", "api.shop.svc.cluster.local", "api.example.net", true},
		{"a name that holds svc itself", "web.other.svc.cluster.local.shop.svc.cluster.local", "web.other.svc.cluster.local", true},
		{"another name", "api.example.org.shop.svc.cluster.local", "api.example.net", false},
		{"the end of a label", "xapi.shop.svc.cluster.local", "api", false},
		{"the beginning of a label", "api.shop.svc.cluster.local", "apixy.example.org", false},
		{"no search path", "api.example.org", "api", false},
		{"an escaped dot", `api\.example.shop.svc.cluster.local`, `api\.example`, false},
		{"no base", "shop.svc.cluster.local", "example.org", false},
		{"nothing at all", "", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := madeByAutopath(tt.question, tt.target); got != tt.want {
				t.Errorf("madeByAutopath(%q, %q) = %v, want %v", tt.question, tt.target, got, tt.want)
			}
		})
	}
}

// FuzzExtract reads any message as an answer: what is learnt was in it, under an
// owner of the chain, and never for longer than the record says.
func FuzzExtract(f *testing.F) {
	for _, answer := range []string{chain(3), "l0.example.org. 1 IN HTTPS 1 . ipv4hint=192.0.2.1"} {
		m := new(dns.Msg).SetQuestion("l0.example.org.", dns.TypeA)
		m.Answer = records(f, answer)
		wire, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		for match := noTarget; match <= everyTarget; match++ {
			f.Add(wire, uint8(match))
		}
	}
	f.Fuzz(func(t *testing.T, wire []byte, match uint8) {
		m := new(dns.Msg)
		if m.Unpack(wire) != nil || len(m.Question) == 0 {
			return
		}
		x := new(extraction)
		x.read(m.Question[0].Name, m.Answer, targets(match))
		checkExtraction(t, x, m)
	})
}

func checkExtraction(t *testing.T, x *extraction, m *dns.Msg) {
	if len(x.names) == 0 || len(x.names) > maxChain+1 || len(x.addresses) > stream.MaxAddresses {
		t.Fatalf("got %d names and %d addresses", len(x.names), len(x.addresses))
	}
	for _, name := range x.names {
		if name != names.Canonical(name) {
			t.Errorf("name %q is not canonical", name)
		}
	}
	for _, a := range x.addresses {
		found := slices.ContainsFunc(m.Answer, func(rr dns.RR) bool {
			return rr.Header().Ttl >= a.TTL && slices.ContainsFunc(x.owners, func(owner string) bool {
				return strings.EqualFold(owner, rr.Header().Name)
			}) && slices.ContainsFunc(addressesIn(rr), func(ip net.IP) bool { return ip.Equal(a.IP.AsSlice()) })
		})
		if !found {
			t.Errorf("%v was learnt from none of %v", a, m.Answer)
		}
	}
}

func addressesIn(rr dns.RR) []net.IP {
	var values []dns.SVCBKeyValue
	switch rr := rr.(type) {
	case *dns.A:
		return []net.IP{rr.A}
	case *dns.AAAA:
		return []net.IP{rr.AAAA}
	case *dns.HTTPS:
		values = rr.Value
	case *dns.SVCB:
		values = rr.Value
	}
	var ips []net.IP
	for _, v := range values {
		switch v := v.(type) {
		case *dns.SVCBIPv4Hint:
			ips = append(ips, v.Hint...)
		case *dns.SVCBIPv6Hint:
			ips = append(ips, v.Hint...)
		}
	}
	return ips
}

// chain is an address behind the given number of CNAMEs.
func chain(links int) string {
	var b strings.Builder
	for i := range links {
		fmt.Fprintf(&b, "l%d.example.org. 60 IN CNAME l%d.example.org.\n", i, i+1)
	}
	fmt.Fprintf(&b, "l%d.example.org. 30 IN A 192.0.2.1", links)
	return b.String()
}

func records(tb testing.TB, text string) []dns.RR {
	tb.Helper()
	var rrs []dns.RR
	for line := range strings.Lines(text) {
		rr, err := dns.NewRR(line)
		if err != nil {
			tb.Fatal(err)
		}
		rrs = append(rrs, rr)
	}
	return rrs
}

func addressesOf(x *extraction) string {
	var out []string
	for _, a := range x.addresses {
		out = append(out, fmt.Sprintf("%v/%d", a.IP, a.TTL))
	}
	return strings.Join(out, " ")
}
