package scenario

import (
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/nameward/nameward/hack/names/authority"
)

// Table is every row.
func Table() []Row {
	return slices.Concat(lives, sizes, chainsOfNames, owners, failures, datagrams, bombs, hintRows, guarded, questions, coreDNS)
}

// Questions that many rows ask.
var (
	overTCP  = []Ask{{By: tcp}}
	askAAAA  = []Ask{{Type: dns.TypeAAAA}}
	askHTTPS = []Ask{{Type: dns.TypeHTTPS}}
	uncached = []Ask{{Of: bare}}
)

// A grant lasts for the TTL, at least minTTL, and for grace more.
const shortest = minTTL + grace

// lives are about the TTL (N5).
var lives = []Row{
	{ID: "N5", Says: "an address for TTL 0 has the shortest life", Name: "ttl-0",
		Serves: "@ 0 A {1}", Grants: "{1}", Life: shortest},
	{ID: "N5", Says: "TTL 1 has the shortest life", Name: "ttl-1",
		Serves: "@ 1 A {1}", Grants: "{1}", Life: shortest},
	{ID: "N5", Says: "TTL 86400 is believed where the client sees it", Name: "ttl-86400",
		Serves: "@ 86400 A {1}", Asks: uncached, Grants: "{1}", Life: 24*time.Hour + grace},
	{ID: "N5", Says: "TTL 86400 counts as the 30 s that a cache makes of it", Name: "ttl-capped",
		Serves: "@ 86400 A {1}", Grants: "{1}", Life: shortest},
	{ID: "N5", Says: "TTL 4294967295 is cut to a week (RFC 8767, 4)", Name: "ttl-most",
		Serves: "@ 4294967295 A {1}", Asks: uncached, Grants: "{1}", Life: 7*24*time.Hour + grace},
	{ID: "N5", Says: "the smallest TTL of a chain counts, at its beginning", Name: "ttl-first",
		Serves: "@ 40 CNAME next\nnext 400 CNAME last\nlast 4000 A {1}", Asks: uncached, Grants: "{1}", Life: 40*time.Second + grace},
	{ID: "N5", Says: "the smallest TTL of a chain counts, in its middle", Name: "ttl-middle",
		Serves: "@ 400 CNAME next\nnext 40 CNAME last\nlast 4000 A {1}", Asks: uncached, Grants: "{1}", Life: 40*time.Second + grace},
	{ID: "N5", Says: "a longer TTL in a later answer extends", Name: "ttl-grows",
		Script: func(p place) authority.Script {
			return authority.Then(p.answers("@ 40 A {1}"), p.answers("@ 400 A {1}"))
		},
		Asks: []Ask{{Of: bare}, {Of: bare}}, Grants: "{1}", Life: 400*time.Second + grace},
	{ID: "N5", Says: "a shorter TTL in a later answer does not shorten", Name: "ttl-shrinks",
		Script: func(p place) authority.Script {
			return authority.Then(p.answers("@ 400 A {1}"), p.answers("@ 0 A {1}"))
		},
		Asks: []Ask{{Of: bare}, {Of: bare}}, Grants: "{1}", Life: 400*time.Second + grace},
	{ID: "N5", Says: "an address that a later answer lacks stays for its life", Name: "ttl-moves",
		Script: func(p place) authority.Script {
			return authority.Then(p.answers("@ 40 A {1}"), p.answers("@ 40 A {2}"))
		},
		Asks: []Ask{{Of: bare}, {Of: bare}}, Sees: "NOERROR {2}", Grants: "{1} {2}"},
	{ID: "N5", Says: "an address twice in an answer has the smaller TTL (RFC 2181, 5.2)", Name: "ttl-twice",
		Serves: "@ 400 A {1}\n@ 40 A {1}", Asks: uncached, Sees: "NOERROR {1} {1}", Grants: "{1}", Life: 40*time.Second + grace},
}

// sizes are about many addresses, and answers that do not fit.
var sizes = []Row{
	{ID: "N4", Says: "one IPv6 address", Name: "one-6",
		Serves: "@ 60 AAAA {6.1}", Asks: askAAAA, Grants: "{6.1}", Life: shortest},
	{ID: "N4", Says: "30 addresses fit the client's 1232 bytes", Name: "thirty",
		Serves: "@ 60 A {1..30}", Asks: []Ask{{Size: 1232}}, Grants: "{1..30}"},
	{ID: "N11", Says: "TC=1 with no address over UDP, 100 of them over TCP", Name: "tc-empty",
		Script: func(p place) authority.Script {
			return authority.ByTransport(authority.Fails(dns.RcodeSuccess).Truncated(), p.answers("@ 60 A {1..100}"))
		},
		Asks: []Ask{{}, {By: tcp}}, Grants: "{1..100}"},
	{ID: "N11", Says: "TC=1 with one address of 100: a client may use that one and ask no more", Name: "tc-some",
		Script: func(p place) authority.Script { return p.answers("@ 60 A {1}").Truncated() },
		Sees:   "NOERROR TC {1}", Grants: "{1}", Drops: "{2..9}"},
	{ID: "N11", Says: "100 addresses that CoreDNS has to cut to 512 bytes are learnt whole", Name: "cut-512",
		Serves: "@ 60 A {1..100}", Asks: []Ask{{Of: whole}}, Sees: "NOERROR TC {1..29}", Grants: "{1..100}"},
	{ID: "N11", Says: "100 addresses that CoreDNS has to cut to 1232 bytes are learnt whole", Name: "cut-1232",
		Serves: "@ 60 A {1..100}", Asks: []Ask{{Of: whole, Size: 1232}}, Sees: "NOERROR TC {1..73}", Grants: "{1..100}"},
	{ID: "N15", Says: "1,000 addresses are granted", Name: "thousand",
		Serves: "@ 60 A {1..1000}", Asks: overTCP, Grants: "{1..1000}"},
	{ID: "N15", Says: "of 4,000 addresses the first 1,000 are granted, the limit of a name", Name: "four-thousand",
		Serves: "@ 60 A {1..4000}", Asks: overTCP, Sees: "NOERROR {1..4000}", Grants: "{1..1000}", Drops: "{1001..4000}",
		Counts: []string{`nameward_grants_refused_total{reason="name_limit"}`}},
}

// chainsOfNames are about CNAME and DNAME.
var chainsOfNames = []Row{
	{ID: "N4", Says: "a chain of 1 CNAME to a name that no rule has", Name: "chain-1",
		Serves: "@ 60 CNAME chain-1." + foreign + "\nchain-1." + foreign + " 60 A {1}", Grants: "{1}"},
	chainRow(2, true), chainRow(15, true), chainRow(16, true), chainRow(17, false), chainRow(20, false),
	{ID: "N4", Says: "a chain that leads back to its beginning has no address", Name: "loop-2",
		Serves: "@ 60 CNAME other\nother 60 CNAME @", Sees: "NOERROR"},
	{ID: "N4", Says: "a name that is its own CNAME has no address", Name: "loop-1",
		Serves: "@ 60 CNAME @", Sees: "NOERROR"},
	{ID: "N4", Says: "addresses on a loop are reached before it closes", Name: "loop-on",
		Serves: "@ 60 CNAME other\nother 60 CNAME @\nother 60 A {1}", Grants: "{1}"},
	{ID: "N4", Says: "addresses before their CNAME, the chain backwards", Name: "backwards",
		Serves: "last 60 A {1}\nnext 60 CNAME last\n@ 60 CNAME next", Grants: "{1}"},
	{ID: "N4", Says: "of two CNAMEs of one owner the first counts, the second is not of the chain (RFC 2181, 10.1)", Name: "two-cnames",
		Serves: "@ 60 CNAME one\n@ 60 CNAME two\none 60 A {1}\ntwo 60 A {2}", Sees: "NOERROR {1} {2}", Grants: "{1}", Drops: "{2}"},
	{ID: "N4", Says: "CNAME and address at one owner: both are reached", Name: "cname-and-a",
		Serves: "@ 60 CNAME next\n@ 60 A {1}\nnext 60 A {2}", Sees: "NOERROR {1} {2}", Grants: "{1} {2}"},
	{ID: "N4", Says: "a chain that breaks off ends there", Name: "broken",
		Serves: "@ 60 CNAME next\nlast 60 A {1}", Sees: "NOERROR {1}", Drops: "{1}"},
	{ID: "N4", Says: "a rule that names only the target does not match", Name: "leading." + foreign,
		Serves: "@ 60 CNAME target." + allowed + "\ntarget." + allowed + " 60 A {1}", Sees: "NOERROR {1}", Drops: "{1}"},
	{ID: "N4", Says: "it does where the setting match_cname_targets is on", Name: "trusted." + foreign,
		Serves: "@ 60 CNAME target." + allowed + "\ntarget." + allowed + " 60 A {1}", Asks: []Ask{{Of: trusting}}, Grants: "{1}"},
	{ID: "N4", Says: "a name of another domain that only looks like one of a search path does not match its target",
		Name:   "api." + allowed + "team.svc." + foreign,
		Serves: "@ 60 CNAME api." + allowed + "\napi." + allowed + " 60 A {1}", Sees: "NOERROR {1}", Drops: "{1}"},
	{ID: "N4", Says: "a DNAME with the CNAME that servers make of it (RFC 6672)", Name: "www.dname",
		Serves: "dname." + allowed + " 60 DNAME dname." + foreign + "\n@ 60 CNAME www.dname." + foreign + "\nwww.dname." + foreign + " 60 A {1}", Grants: "{1}"},
	{ID: "N4", Says: "a DNAME alone leads nowhere", Name: "www.alone",
		Serves: "alone." + allowed + " 60 DNAME alone." + foreign + "\nwww.alone." + foreign + " 60 A {1}", Sees: "NOERROR {1}", Drops: "{1}"},
}

// owners are about records that are of no chain.
var owners = []Row{
	{ID: "N4", Says: "addresses of an unrelated owner", Name: "unrelated",
		Serves: "@ 60 A {1}\nunrelated." + foreign + " 60 A {2}", Sees: "NOERROR {1} {2}", Grants: "{1}", Drops: "{2}"},
	{ID: "N4", Says: "only an unrelated owner, under the same rule", Name: "stolen",
		Serves: "other." + allowed + " 60 A {1}", Sees: "NOERROR {1}", Drops: "{1}"},
	{ID: "N4", Says: "the owner's parent and child are not the owner", Name: "kin",
		Serves: allowed + " 60 A {1}\nchild 60 A {2}", Sees: "NOERROR {1} {2}", Drops: "{1} {2}"},
	{ID: "N4", Says: "a record of class CHAOS is no address (RFC 1035, 3.2.4)", Name: "chaos",
		Serves: "@ 60 IN A {1}\n@ 60 CH A {2}", Sees: "NOERROR {1} {2}", Grants: "{1}", Drops: "{2}"},
	{ID: "N4", Says: "addresses in the authority and additional sections", Name: "sections",
		Script: func(p place) authority.Script {
			return p.answers("@ 60 A {1}").With(authority.Authority, records(int(p), "@ 60 A {2}")).
				With(authority.Additional, records(int(p), "@ 60 A {3}"))
		},
		Grants: "{1}", Drops: "{2} {3}"},
	{ID: "N11", Says: "the same record many times", Name: "duplicates",
		Serves: "@ 60 A {1}\n@ 60 A {1}\n@ 60 A {1}\n@ 60 A {2}", Sees: "NOERROR {1} {1} {1} {2}", Grants: "{1} {2}"},
	{ID: "N18", Says: "types that nobody knows beside the address", Name: "strange-types",
		Serves: `@ 60 TYPE65280 \# 4 01020304` + "\n@ 60 TXT {2}\n@ 60 A {1}", Grants: "{1}", Drops: "{2}"},
	{ID: "N11", Says: "RRSIG beside the address, NSEC below it, asked for with DO", Name: "signed",
		Script: func(p place) authority.Script {
			signature := " 8 3 60 20300101000000 20200101000000 1 fault.example. c2lnbmF0dXJl"
			return p.answers("@ 60 A {1}\n@ 60 RRSIG A"+signature).
				With(authority.Authority, "@ 60 NSEC next A RRSIG NSEC\n@ 60 RRSIG NSEC"+signature)
		},
		Asks: []Ask{{Secure: true, Size: 1232}}, Grants: "{1}"},
	{ID: "N11", Says: "EDNS padding in question and answer (RFC 7830)", Name: "padded",
		Script: func(p place) authority.Script {
			return p.answers("@ 60 A {1}").Edited(func(_ authority.Query, m *dns.Msg) {
				if opt := m.IsEdns0(); opt != nil {
					opt.Option = append(opt.Option, &dns.EDNS0_PADDING{Padding: make([]byte, 400)})
				}
			})
		},
		Asks: []Ask{{Padded: true, Size: 1232}}, Grants: "{1}"},
}
