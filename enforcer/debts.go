package main

import (
	"net/netip"
	"slices"
	"time"

	"github.com/nameward/nameward/enforcer/dns"
	"github.com/nameward/nameward/enforcer/grants"
	"github.com/nameward/nameward/enforcer/policy"
)

// debts are the pods whose entries in the kernel may differ from the Book,
// because a write has failed (D10).
type debts map[policy.EndpointID]*debt

// debt is what one pod's next attempt has to make good, besides writing all
// that the Book holds for it.
type debt struct {
	// gone are entries that could not be revoked.
	gone []netip.Addr
	// owed are answers that were not acknowledged, since their addresses may
	// not be in the kernel.
	owed []owed
}

type owed struct {
	learned dns.Learned
	until   time.Duration
}

// maxOwed bounds the acknowledgements that wait for one pod. Those beyond are
// never sent; CoreDNS stops waiting for them by itself.
const maxOwed = 1024

func (d *debt) owe(l dns.Learned, until time.Duration) {
	if d != nil && len(d.owed) < maxOwed {
		d.owed = append(d.owed, owed{l, until})
	}
}

// settle makes the kernel hold what the Book holds for every pod in debt.
func (n *node) settle() {
	for ep, d := range n.debts {
		want := n.book.Grants(ep)
		gone := slices.DeleteFunc(d.gone, func(a netip.Addr) bool {
			_, back := slices.BinarySearchFunc(want, a, func(g grants.Grant, a netip.Addr) int { return g.Addr.Compare(a) })
			return back
		})
		d.gone = nil
		if len(gone) > 0 && !n.revoke(ep, gone) || len(want) > 0 && !n.grant(ep, want) {
			continue
		}
		for _, o := range d.owed {
			o.learned.Ack(o.until - n.clock())
		}
		delete(n.debts, ep)
	}
}
