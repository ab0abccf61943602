package hub

import (
	"maps"
	"net/netip"
	"slices"
	"sync/atomic"
)

// directory says who watches which client. Readers take no lock: each shard is
// an immutable map behind a pointer. It is cut into shards so that the change
// of one watch copies a 4096th of a large cluster's addresses, not all of them:
// a change of rules comes for every pod at once.
type directory struct {
	shards [4096]atomic.Pointer[shard]
}

type shard map[netip.Addr][]*watch

// change replaces, for one address, a watch by another; either may be nil.
type change struct {
	addr     netip.Addr
	old, new *watch
}

// lookup returns the watches of a client, nil if there are none. The slice is
// immutable.
func (d *directory) lookup(client netip.Addr) []*watch {
	s := d.shards[shardOf(client)].Load()
	if s == nil {
		return nil
	}
	return (*s)[client]
}

// apply makes the changes. Only one goroutine at a time may call it.
func (d *directory) apply(changes []change) {
	touched := make(map[uint16]shard)
	for _, c := range changes {
		i := shardOf(c.addr)
		s, ok := touched[i]
		if !ok {
			s = make(shard)
			if have := d.shards[i].Load(); have != nil {
				s = maps.Clone(*have)
			}
			touched[i] = s
		}
		s.change(c)
	}
	for i, s := range touched {
		d.shards[i].Store(&s)
	}
}

// change copies the address's list, as readers may hold the present one.
func (s shard) change(c change) {
	list := slices.Clone(s[c.addr])
	if c.old != nil {
		list = slices.DeleteFunc(list, func(w *watch) bool { return w == c.old })
	}
	if c.new != nil {
		list = append(list, c.new)
	}
	if len(list) == 0 {
		delete(s, c.addr)
		return
	}
	s[c.addr] = list
}

// watched counts the clients that somebody watches; a node's marks are none.
func (d *directory) watched() int {
	return d.count((*watch).living)
}

// count counts the clients with a watch of that kind.
func (d *directory) count(kind func(*watch) bool) int {
	n := 0
	for i := range d.shards {
		s := d.shards[i].Load()
		if s == nil {
			continue
		}
		for _, list := range *s {
			if slices.ContainsFunc(list, kind) {
				n++
			}
		}
	}
	return n
}

// contested counts the clients that enforcers of several nodes watch.
func (d *directory) contested() int {
	n := 0
	for i := range d.shards {
		s := d.shards[i].Load()
		if s == nil {
			continue
		}
		for _, list := range *s {
			first := slices.IndexFunc(list, (*watch).living)
			if first >= 0 && slices.ContainsFunc(list[first:], list[first].contests) {
				n++
			}
		}
	}
	return n
}

// shardOf spreads by the last bits, in which the pods of a cluster differ, and
// returns less than 4096.
func shardOf(addr netip.Addr) uint16 {
	low := uint32(addressOf(addr).low)
	return uint16(low^low>>12) & 4095
}
