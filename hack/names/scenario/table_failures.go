package scenario

import (
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/nameward/nameward/hack/names/authority"
)

// chainRow is a chain of so many CNAMEs before the address.
func chainRow(links int, reached bool) Row {
	row := Row{ID: "N4", Name: fmt.Sprintf("chain-%d", links), Sees: "NOERROR {1}"}
	owner := "@"
	for i := range links {
		next := fmt.Sprintf("link%d.%s%s", i, row.Name, "."+foreign)
		row.Serves += fmt.Sprintf("%s 60 CNAME %s\n", owner, next)
		owner = next
	}
	row.Serves += owner + " 60 A {1}"
	if reached {
		row.Says, row.Grants = fmt.Sprintf("a chain of %d CNAMEs", links), "{1}"
	} else {
		row.Says, row.Drops = fmt.Sprintf("a chain of %d CNAMEs is longer than the 16 that are followed", links), "{1}"
	}
	return row
}

// failures are answers that say no.
var failures = []Row{
	{ID: "N18", Says: "NXDOMAIN", Name: "nxdomain",
		Script: func(place) authority.Script { return authority.Fails(dns.RcodeNameError) }, Sees: "NXDOMAIN"},
	{ID: "N18", Says: "NXDOMAIN with an address all the same", Name: "nxdomain-a",
		Script: func(p place) authority.Script {
			return authority.Fails(dns.RcodeNameError).With(authority.Answer, records(int(p), "@ 60 A {1}"))
		},
		Asks: uncached, Sees: "NXDOMAIN {1}", Drops: "{1}"},
	{ID: "N18", Says: "SERVFAIL without an answer", Name: "servfail",
		Script: func(place) authority.Script { return authority.Fails(dns.RcodeServerFailure) }, Sees: "SERVFAIL"},
	{ID: "N18", Says: "SERVFAIL with an address all the same", Name: "servfail-a",
		Script: func(p place) authority.Script {
			return authority.Fails(dns.RcodeServerFailure).With(authority.Answer, records(int(p), "@ 60 A {1}"))
		},
		Asks: uncached, Sees: "SERVFAIL {1}", Drops: "{1}"},
	{ID: "N18", Says: "REFUSED", Name: "refused",
		Script: func(place) authority.Script { return authority.Fails(dns.RcodeRefused) }, Sees: "REFUSED"},
	{ID: "N18", Says: "NOERROR with nothing in it", Name: "empty",
		Script: func(place) authority.Script { return authority.Fails(dns.RcodeSuccess) }, Sees: "NOERROR"},
	{ID: "N18", Says: "NOERROR with an SOA alone", Name: "nodata",
		Script: func(place) authority.Script {
			return authority.Fails(dns.RcodeSuccess).With(authority.Authority, "@ 60 SOA ns hostmaster 1 2 3 4 5")
		},
		Sees: "NOERROR"},
	{ID: "N18", Says: "no answer at all", Name: "silent",
		Script: func(place) authority.Script { return authority.Silent() }, Sees: "nothing"},
	{ID: "N3", Says: "SERVFAIL first, the address at the next attempt", Name: "second-try",
		Script: func(p place) authority.Script {
			return authority.Then(authority.Fails(dns.RcodeServerFailure), p.answers("@ 60 A {1}"))
		},
		Asks: []Ask{{Of: bare}, {Of: bare}}, Grants: "{1}"},
}

// datagrams are about when and as what answers arrive.
var datagrams = []Row{
	{ID: "N3", Says: "an answer after 700 ms", Name: "slow",
		Script: func(p place) authority.Script { return p.answers("@ 60 A {1}").After(700 * time.Millisecond) }, Grants: "{1}"},
	{ID: "N11", Says: "the same answer twice", Name: "twice",
		Script: func(p place) authority.Script {
			return authority.All(p.answers("@ 60 A {1}"), p.answers("@ 60 A {1}"))
		},
		Grants: "{1}"},
	{ID: "N11", Says: "a second datagram with another address, 50 ms late: nobody was sent that", Name: "late-other",
		Script: func(p place) authority.Script {
			return authority.All(p.answers("@ 60 A {1}"), p.answers("@ 60 A {2}").After(50*time.Millisecond))
		},
		Asks: uncached, Grants: "{1}", Drops: "{2}"},
	{ID: "N11", Says: "a datagram under another ID before the answer", Name: "wrong-id",
		Script: func(p place) authority.Script {
			spoofed := p.answers("@ 60 A {2}").Edited(func(_ authority.Query, m *dns.Msg) { m.Id++ })
			return authority.All(spoofed, p.answers("@ 60 A {1}"))
		},
		Asks: uncached, Grants: "{1}", Drops: "{2}"},
	{ID: "N11", Says: "an answer to another question", Name: "wrong-question",
		Script: func(p place) authority.Script {
			return p.answers("@ 60 A {1}").Edited(func(_ authority.Query, m *dns.Msg) { m.Question[0].Name = "other." + allowed })
		},
		Sees: "FORMERR", Drops: "{1}"},
	{ID: "N11", Says: "an answer to no question", Name: "no-question",
		Script: func(p place) authority.Script {
			return p.answers("@ 60 A {1}").Edited(func(_ authority.Query, m *dns.Msg) { m.Question = nil })
		},
		Sees: "FORMERR", Drops: "{1}"},
	{ID: "N11", Says: "the query back instead of an answer", Name: "no-answer-bit",
		Script: func(p place) authority.Script {
			return p.answers("@ 60 A {1}").Edited(func(_ authority.Query, m *dns.Msg) { m.Response = false })
		},
		Sees: "FORMERR", Drops: "{1}"},
	{ID: "N4", Says: "mixed case asked for (0x20) and echoed", Name: "cAsE-eChOeD.FaUlT.eXaMpLe.",
		Serves: "@ 60 A {1}", Grants: "{1}"},
	{ID: "N4", Says: "mixed case asked for, lower case answered", Name: "CaSe-LoWeReD.fAuLt.ExAmPlE.",
		Script: func(p place) authority.Script { return p.answers("@ 60 A {1}").Edited(recase(strings.ToLower)) }, Grants: "{1}"},
	{ID: "N4", Says: "lower case asked for, upper case answered, through a chain of both", Name: "case-raised",
		Script: func(p place) authority.Script {
			return p.answers("@ 60 CNAME Next.CASE.example.\nnEXT.case.EXAMPLE. 60 A {1}").Edited(recase(strings.ToUpper))
		},
		Grants: "{1}"},
}

// recase changes the owner of the first record.
func recase(by func(string) string) func(authority.Query, *dns.Msg) {
	return func(_ authority.Query, m *dns.Msg) {
		header := m.Answer[0].Header()
		header.Name = by(header.Name)
	}
}

// bombs are messages that no decent server sends, byte for byte. What cannot be
// read teaches nothing, and CoreDNS goes on.
var bombs = []Row{
	{ID: "N18", Says: "a compression pointer to itself", Name: "self-pointer", Asks: overTCP,
		Script: func(p place) authority.Script { return authority.SelfPointer(p.addr(1)) }, Sees: "SERVFAIL", Drops: "{1}"},
	{ID: "N18", Says: "64 KB of compression pointers, each to the one before", Name: "pointer-flood", Asks: overTCP,
		Script: func(p place) authority.Script { return authority.PointerFlood(p.addr(1)) }, Sees: "SERVFAIL", Drops: "{1}"},
	{ID: "N18", Says: "a compression pointer behind the message", Name: "forward-pointer", Asks: overTCP,
		Script: func(p place) authority.Script { return authority.ForwardPointer(p.addr(1)) }, Sees: "SERVFAIL", Drops: "{1}"},
	{ID: "N18", Says: "an address that says it has 400 bytes", Name: "data-400", Asks: overTCP,
		Script: func(p place) authority.Script { return authority.Misstated(400, p.addr(1)) }, Sees: "SERVFAIL", Drops: "{1}"},
	{ID: "N18", Says: "an address that says it has 3 bytes", Name: "data-3", Asks: overTCP,
		Script: func(p place) authority.Script { return authority.Misstated(3, p.addr(1)) }, Sees: "SERVFAIL", Drops: "{1}"},
	{ID: "N18", Says: "an address that says it has no byte", Name: "data-0", Asks: overTCP,
		Script: func(p place) authority.Script { return authority.Misstated(0, p.addr(1)) }, Sees: "NOERROR", Drops: "{1}"},
	{ID: "N18", Says: "five bytes of a header", Name: "headless", Asks: overTCP,
		Script: func(place) authority.Script { return authority.Headless() }, Sees: "SERVFAIL"},
	{ID: "N18", Says: "one address where 65,535 are announced: the client gets it, so it is learnt", Name: "overcounted", Asks: overTCP,
		Script: func(p place) authority.Script { return authority.Overcounted(p.addr(1)) }, Grants: "{1}"},
}

// hintRows are about HTTPS and SVCB (RFC 9460).
var hintRows = []Row{
	{ID: "N4", Says: "HTTPS with hints of both families", Name: "https", Asks: askHTTPS,
		Serves: "@ 60 HTTPS 1 . alpn=h2 ipv4hint={1} ipv6hint={6.1}", Grants: "{1} {6.1}", Life: shortest},
	{ID: "N4", Says: "SVCB with a hint", Name: "_dns.svcb", Asks: []Ask{{Type: dns.TypeSVCB}},
		Serves: "@ 60 SVCB 1 dns.example. ipv4hint={1}", Grants: "{1}"},
	{ID: "N4", Says: "HTTPS behind a CNAME", Name: "https-cname", Asks: askHTTPS,
		Serves: "@ 60 CNAME https." + foreign + "\nhttps." + foreign + " 60 HTTPS 1 . ipv4hint={1}", Grants: "{1}"},
	{ID: "N4", Says: "HTTPS hints of another owner", Name: "https-other", Asks: askHTTPS,
		Serves: "@ 60 HTTPS 1 . ipv4hint={1}\nhttps-other." + foreign + " 60 HTTPS 1 . ipv4hint={2}",
		Sees:   "NOERROR {1} {2}", Grants: "{1}", Drops: "{2}"},
	{ID: "N4", Says: "HTTPS in alias form (priority 0) is no link of a chain", Name: "https-alias", Asks: askHTTPS,
		Serves: "@ 60 HTTPS 0 https-alias." + foreign + "\nhttps-alias." + foreign + " 60 HTTPS 1 . ipv4hint={1}",
		Sees:   "NOERROR {1}", Drops: "{1}"},
	{ID: "N10", Says: "a hint to the cloud's metadata", Name: "https-metadata", Asks: askHTTPS,
		Serves: "@ 60 HTTPS 1 . ipv4hint=169.254.169.254", Sees: "NOERROR 169.254.169.254", Never: "169.254.169.254"},
}
