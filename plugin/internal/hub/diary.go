package hub

import (
	"cmp"
	"container/list"
	"net/netip"
	"slices"
	"strings"
)

// write adds an answer to the page of its question. Repeating what is written
// there allocates nothing. What exceeds the client's share goes, oldest first.
func (d *diary) write(a Answer, now instant, limit int) {
	e := d.pages[a.Names[0]]
	if e == nil {
		e = d.open(a)
	} else {
		d.order.MoveToFront(e)
	}
	p := e.Value.(*page)
	before := p.weight()
	if !slices.Equal(p.names, a.Names) {
		p.names = cloneNames(a.Names)
	}
	p.add(a.Addresses, now)
	if p.weight() > clientWeight(limit) {
		// A page that has grown through ever other answers keeps the present one.
		p.told = slices.DeleteFunc(p.told, func(t told) bool { return t.at != now })
	}
	d.weight += p.weight() - before
	for len(d.pages) > 1 && (len(d.pages) > limit || d.weight > clientWeight(limit)) {
		d.tear(d.order.Back())
	}
}

func (d *diary) open(a Answer) *list.Element {
	p := &page{names: cloneNames(a.Names), told: make([]told, 0, len(a.Addresses))}
	e := d.order.PushFront(p)
	d.pages[p.names[0]] = e
	d.weight += p.weight()
	return e
}

// add merges an answer: of each address the later end stays.
func (p *page) add(addrs []Address, now instant) {
	known := len(p.told)
	for _, a := range addrs {
		t := told{ip: a.IP, ttl: a.TTL, at: now}
		i, found := slices.BinarySearchFunc(p.told[:known], a.IP, func(t told, ip netip.Addr) int { return t.ip.Compare(ip) })
		switch {
		case !found:
			p.told = append(p.told, t)
		case t.end() >= p.told[i].end():
			p.told[i] = t
		}
	}
	if len(p.told) == known {
		return
	}
	slices.SortFunc(p.told, func(a, b told) int {
		return cmp.Or(a.ip.Compare(b.ip), cmp.Compare(b.end(), a.end()))
	})
	p.told = slices.CompactFunc(p.told, func(a, b told) bool { return a.ip == b.ip })
}

func (d *diary) tear(e *list.Element) {
	p := d.order.Remove(e).(*page)
	delete(d.pages, p.names[0])
	d.weight -= p.weight()
}

// shrink tears out the oldest pages, at least one, until the diary weighs less
// than share.
func (d *diary) shrink(share int) {
	for d.weight >= share && len(d.pages) > 0 {
		d.tear(d.order.Back())
	}
}

// sweep drops what nobody would grant any more.
func (d *diary) sweep(now instant) {
	for e := d.order.Back(); e != nil; {
		newer := e.Prev()
		p := e.Value.(*page)
		before := p.weight()
		p.told = slices.DeleteFunc(p.told, func(t told) bool { return !t.kept(now) })
		d.weight += p.weight() - before
		if len(p.told) == 0 {
			d.tear(e)
		}
		e = newer
	}
}

// cloneNames copies the bytes too: the names may be parts of a message that
// should not live as long as the journal.
func cloneNames(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = strings.Clone(name)
	}
	return out
}
