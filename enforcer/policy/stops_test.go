package policy

import (
	"maps"
	"net/netip"
	"testing"
)

// stop is what a packet meets between two steps of a change: endpoints of one
// Tables, classes of another, and rows.
type stop struct {
	sentence           string
	endpoints, classes *Tables
	rows               map[ListID]*List
}

// D7: at every stop on the way, what both policies allow is allowed and what
// both deny is denied, though they say it by peers and ports that overlap in
// part only.
func TestStopsOnTheWay(t *testing.T) {
	for _, c := range []struct {
		sentence string
		from, to []Policy
	}{
		{"a smaller network", []Policy{network("np", accept(block("10.0.0.0/8")).on(tcp(80)))},
			[]Policy{network("np", accept(block("10.0.0.0/16")).on(tcp(80)))}},
		{"a larger network", []Policy{network("np", accept(block("10.0.0.2/32")).on(tcp(80)))},
			[]Policy{network("np", accept(block("10.0.0.0/16")).on(tcp(80)))}},
		{"pods in place of a network", []Policy{network("np", accept(block("10.0.0.0/16")).on(tcp(80)))},
			[]Policy{network("np", accept(podsOf("", "app=db")).on(tcp(80)))}},
		{"a range in place of a port", []Policy{network("np", accept(podsOf("", "app=db")).on(tcp(80)))},
			[]Policy{network("np", accept(podsOf("", "app=db")).on(tcpRange(79, 90)))}},
		{"another tier", []Policy{network("np", accept(block("10.0.0.0/8")).on(tcp(80)))},
			[]Policy{network("np"), cluster(TierAdmin, 1, "cnp", accept(block("10.0.0.0/24")).on(tcp(80)))}},
		{"a list beside it that knows more of the network", []Policy{network("np", accept(block("10.0.0.0/8")).on(tcp(80)))},
			[]Policy{network("np", accept(block("10.0.0.0/8")).on(tcp(80))), cluster(TierBaseline, 1, "base", deny(block("10.0.0.0/24")))}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			from, to := Compile(scene(c.from...)), Compile(scene(c.to...))
			between := Transition(from, to)
			rows := map[ListID]*List{}
			for _, tables := range []*Tables{from.Tables, between, to.Tables} {
				for id, list := range tables.Lists {
					all := &List{Rows: maps.Clone(list.Rows), Wide: list.Wide}
					if known := rows[id]; known != nil {
						maps.Copy(all.Rows, known.Rows)
						all.Wide = all.Wide || known.Wide
					}
					rows[id] = all
				}
			}
			for _, s := range []stop{
				{"before", from.Tables, from.Tables, rows},
				{"before, with the rows of the way in place of its own", from.Tables, from.Tables, between.Lists},
				{"the classes of both", from.Tables, between, rows},
				{"the new policy under the classes of both", to.Tables, between, rows},
				{"after, with the rows of the way", to.Tables, to.Tables, between.Lists},
				{"after", to.Tables, to.Tables, rows},
			} {
				seen := *s.classes
				seen.Endpoints, seen.Lists = s.endpoints.Endpoints, s.rows
				judge := func(peer string, port uint16) Verdict {
					return seen.Judge(EndpointOf("web"), Egress, netip.MustParseAddr(peer), protocolTCP, port, 0).Verdict
				}
				if got := judge("10.0.0.2", 80); got != Allow {
					t.Errorf("%s, what both allow: got %v", s.sentence, got)
				}
				if got := judge("203.0.113.9", 80); got != Deny {
					t.Errorf("%s, what both deny: got %v", s.sentence, got)
				}
			}
		})
	}
}
