package hub

import (
	"cmp"
	"encoding/binary"
	"iter"
	"net/netip"
	"slices"
	"time"
)

// page is what a client was told about one question, over several answers.
type page struct {
	newer, older *page // by last use
	next         *page // of the same bucket, or of the same spares
	hash         uint64
	// names are those that a pattern may match, the question first, each with its
	// length before it: no string, so that the bytes can be used again.
	names []byte
	// told is in order of address up to ordered, and in order of arrival behind.
	// What is behind may repeat itself once it is longer than scanned.
	told    []told
	ordered int
	// What most pages hold is beside the rest: a page that is used again is out of
	// the processor's cache, and each place of its own costs the answer a wait.
	shortNames [usualName]byte
	fewTold    [fewAddresses]told
}

// fewAddresses is the room that every page has.
const fewAddresses = 2

// newPage makes a page with room for that many addresses.
func newPage(room int) *page {
	p := new(page)
	p.names = p.shortNames[:0]
	if room <= fewAddresses {
		p.told = p.fewTold[:0]
	} else {
		p.told = make([]told, 0, room)
	}
	return p
}

// told is one address. It holds no pointer: the journal is large, and the
// garbage collector need not look into it.
type told struct {
	ip  address
	ttl uint32
	at  instant
}

// address is an IP address in the form that compares fastest.
type address struct{ high, low uint64 }

func addressOf(ip netip.Addr) address {
	if ip.Is4() {
		b := ip.As4()
		return address{low: 0xffff<<32 | uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := ip.As16()
	return address{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func (a address) addr() netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], a.high)
	binary.BigEndian.PutUint64(b[8:], a.low)
	return netip.AddrFrom16(b).Unmap()
}

func (a address) compare(b address) int {
	if a.high != b.high {
		return cmp.Compare(a.high, b.high)
	}
	return cmp.Compare(a.low, b.low)
}

func (t told) kept(now instant) bool {
	return now < t.at+max(seconds(t.ttl), keepFloor)+keepGrace
}

func (t told) end() instant { return t.at + seconds(t.ttl) }

// remaining is what is left of the TTL, in whole seconds.
func (t told) remaining(now instant) uint32 {
	return uint32(max(0, t.end()-now) / time.Second)
}

// usualName is what pageWeight covers; longer names weigh as an address does.
const usualName = 64

func (p *page) weight() int {
	return pageWeight + len(p.told) + max(0, cap(p.names)-usualName)/32
}

func (p *page) name(names []string) {
	p.names = p.names[:0]
	for _, name := range names {
		p.names = binary.AppendUvarint(p.names, uint64(len(name)))
		p.names = append(p.names, name...)
	}
}

func (p *page) eachName() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for rest := p.names; len(rest) > 0; {
			var name []byte
			if name, rest = cutName(rest); !yield(name) {
				return
			}
		}
	}
}

func cutName(names []byte) (name, rest []byte) {
	n, size := binary.Uvarint(names)
	return names[size : size+int(n)], names[size+int(n):]
}

// asks reports whether the page is that of a question.
func (p *page) asks(question string) bool {
	name, _ := cutName(p.names)
	return string(name) == question
}

// named reports whether the page has exactly these names.
func (p *page) named(names []string) bool {
	rest := p.names
	for _, want := range names {
		if len(rest) == 0 {
			return false
		}
		var name []byte
		if name, rest = cutName(rest); string(name) != want {
			return false
		}
	}
	return len(rest) == 0
}

// scanned is how many addresses are compared one by one.
const scanned = 16

// add merges an answer: of each address the later end stays. It returns how many
// addresses it had to put in order. That is amortised over those that are new:
// a name that answers with a few of thousands of addresses at a time must not
// cost by what it has answered before.
func (p *page) add(addrs []Address, now instant) (moved int) {
	for i, a := range addrs {
		t := told{ip: addressOf(a.IP), ttl: a.TTL, at: now}
		if have := p.find(t.ip, i); have == nil {
			p.told = append(p.told, t)
		} else if t.end() >= have.end() {
			*have = t
		}
	}
	if len(p.told)-p.ordered > max(scanned, p.ordered) {
		return p.settle()
	}
	return 0
}

// find looks for an address; in most answers it is the likely one.
func (p *page) find(ip address, likely int) *told {
	if likely < len(p.told) && p.told[likely].ip == ip {
		return &p.told[likely]
	}
	if p.ordered > 0 {
		i, found := slices.BinarySearchFunc(p.told[:p.ordered], ip, func(t told, ip address) int { return t.ip.compare(ip) })
		if found {
			return &p.told[i]
		}
	}
	behind := p.told[p.ordered:]
	if len(behind) > scanned {
		return nil
	}
	for i := range behind {
		if behind[i].ip == ip {
			return &behind[i]
		}
	}
	return nil
}

// settle puts all addresses in order and drops repetitions. It returns how many
// it had to look at.
func (p *page) settle() (moved int) {
	if p.ordered == len(p.told) {
		return 0
	}
	moved = len(p.told)
	slices.SortFunc(p.told, func(a, b told) int {
		return cmp.Or(a.ip.compare(b.ip), cmp.Compare(b.end(), a.end()))
	})
	p.told = slices.CompactFunc(p.told, func(a, b told) bool { return a.ip == b.ip })
	p.ordered = len(p.told)
	return moved
}

// present drops what is not of the present answer: the page has grown through
// ever other answers.
func (p *page) present(now instant) (moved int) {
	moved = p.settle()
	p.keep(func(t told) bool { return t.at == now })
	return moved
}

// sweep wants a settled page.
func (p *page) sweep(now instant) { p.keep(func(t told) bool { return t.kept(now) }) }

func (p *page) keep(keep func(told) bool) {
	p.told = slices.DeleteFunc(p.told, func(t told) bool { return !keep(t) })
	p.ordered = len(p.told)
}

// kept lists what is replayed. It wants a settled page.
func (p *page) kept(now instant) []Address {
	var addrs []Address
	for _, t := range p.told {
		if t.kept(now) {
			addrs = append(addrs, Address{IP: t.ip.addr(), TTL: t.remaining(now)})
		}
	}
	return addrs
}

// spares are torn pages to be used again, by the room that they have: 2, 4, 8 or
// 16 addresses. A page that fits spares the allocation and wastes at most half of
// its room.
type spares struct {
	pages [4]*page
	count [4]int
}

// maxSpares bounds the torn pages of one size: 64 shards keep at most 2 MB.
const maxSpares = 32

// take returns a page with room for n addresses.
func (s *spares) take(n int) *page {
	class, room := roomFor(n)
	if class == len(s.pages) || s.pages[class] == nil {
		return newPage(room)
	}
	p := s.pages[class]
	s.pages[class] = p.next
	s.count[class]--
	p.next = nil
	return p
}

// roomFor returns the class of spares for n addresses and the room to make for
// them: no class, and exactly n, where so many are rare.
func roomFor(n int) (class, room int) {
	for class, room = 0, fewAddresses; class < len(spares{}.pages); class, room = class+1, 2*room {
		if n <= room {
			return class, room
		}
	}
	return class, n
}

// put takes a page that nobody refers to any more. One of an odd size keeps its
// own room alone.
func (s *spares) put(p *page) {
	class, room := roomFor(cap(p.told))
	if class == len(s.pages) || room != cap(p.told) {
		class, p.told = 0, p.fewTold[:]
	}
	if s.count[class] == maxSpares {
		return
	}
	if cap(p.names) > usualName {
		p.names = p.shortNames[:]
	}
	p.names, p.told, p.ordered = p.names[:0], p.told[:0], 0
	p.newer, p.older = nil, nil
	p.next, s.pages[class] = s.pages[class], p
	s.count[class]++
}
