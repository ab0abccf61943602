package hub

import "hash/maphash"

// diary is one client's part of the journal: its pages in the order of their
// last use. All of it is guarded by the shard's lock. Pages carry the links of
// the list and of the hash table themselves, and are used again: a client that
// cycles through more names than it may keep makes the journal forget and
// write at each answer, and that must not cost an allocation.
type diary struct {
	latest, oldest *page
	table          []*page // by hash of the question; nil while there are few pages
	pages          int
	weight         int
	moved          uint64 // addresses put in order so far: what writing costs beyond the answers
}

// fewPages is how many are searched one by one. Most clients never need a table.
const fewPages = 8

var seed = maphash.MakeSeed() // secret, as clients choose the names

func hashOf(question string) uint64 { return maphash.String(seed, question) }

// write adds an answer to the page of its question. What exceeds the client's
// share goes, oldest first.
func (d *diary) write(a Answer, hash uint64, now instant, limit int, spare *spares) {
	p := d.find(a.Names[0], hash)
	if p == nil {
		if d.pages >= limit && d.oldest != nil {
			d.tear(d.oldest, spare)
		}
		p = spare.take(len(a.Addresses))
		p.hash = hash
		p.name(a.Names)
		d.insert(p)
	} else {
		d.weight -= p.weight()
		if !p.named(a.Names) {
			p.name(a.Names)
		}
		d.use(p)
	}
	d.moved += uint64(p.add(a.Addresses, now))
	if p.weight() > clientWeight(limit) {
		d.moved += uint64(p.present(now))
	}
	d.weight += p.weight()
	for d.pages > 1 && (d.pages > limit || d.weight > clientWeight(limit)) {
		d.tear(d.oldest, spare)
	}
}

// replay lists what the client may still use, see journal.replay.
func (d *diary) replay(now instant, want func(name string) bool) []Answer {
	var answers []Answer
	for p := d.oldest; p != nil; p = p.newer {
		var a Answer
		for name := range p.eachName() {
			if want(string(name)) {
				a.Names = append(a.Names, string(name))
			}
		}
		if len(a.Names) == 0 {
			continue
		}
		d.settle(p)
		if a.Addresses = p.kept(now); len(a.Addresses) > 0 {
			answers = append(answers, a)
		}
	}
	return answers
}

// find returns the page of a question, nil if there is none.
func (d *diary) find(question string, hash uint64) *page {
	if d.table == nil {
		for p := d.latest; p != nil; p = p.older {
			if p.hash == hash && p.asks(question) {
				return p
			}
		}
		return nil
	}
	for p := *d.bucket(hash); p != nil; p = p.next {
		if p.hash == hash && p.asks(question) {
			return p
		}
	}
	return nil
}

func (d *diary) bucket(hash uint64) **page { return &d.table[hash&uint64(len(d.table)-1)] }

// insert makes p the latest page. Its weight is the caller's to count.
func (d *diary) insert(p *page) {
	d.link(p)
	d.pages++
	if d.pages > max(fewPages, len(d.table)/2) {
		d.grow()
	} else if d.table != nil {
		b := d.bucket(p.hash)
		p.next, *b = *b, p
	}
}

// grow makes the table twice as large: every other bucket is empty, so that the
// page of a new question is put in its place without a look at another.
func (d *diary) grow() {
	d.table = make([]*page, max(4*fewPages, 2*len(d.table)))
	for p := d.latest; p != nil; p = p.older {
		b := d.bucket(p.hash)
		p.next, *b = *b, p
	}
}

// tear takes a page out.
func (d *diary) tear(p *page, spare *spares) {
	d.weight -= p.weight()
	d.pages--
	d.unlink(p)
	if d.table != nil {
		b := d.bucket(p.hash)
		for *b != p {
			b = &(*b).next
		}
		*b = p.next
	}
	spare.put(p)
}

// use makes p the latest again.
func (d *diary) use(p *page) {
	if d.latest != p {
		d.unlink(p)
		d.link(p)
	}
}

func (d *diary) link(p *page) {
	p.newer, p.older = nil, d.latest
	if d.latest != nil {
		d.latest.newer = p
	} else {
		d.oldest = p
	}
	d.latest = p
}

func (d *diary) unlink(p *page) {
	if p.newer != nil {
		p.newer.older = p.older
	} else {
		d.latest = p.older
	}
	if p.older != nil {
		p.older.newer = p.newer
	} else {
		d.oldest = p.newer
	}
}

func (d *diary) settle(p *page) {
	d.weight -= p.weight()
	d.moved += uint64(p.settle())
	d.weight += p.weight()
}

// shrink tears out the oldest pages, at least one, until the diary weighs less
// than share.
func (d *diary) shrink(share int, spare *spares) {
	for d.weight >= share && d.pages > 0 {
		d.tear(d.oldest, spare)
	}
}

// sweep drops what nobody would grant any more.
func (d *diary) sweep(now instant, spare *spares) {
	for p := d.oldest; p != nil; {
		newer := p.newer
		d.settle(p)
		d.weight -= p.weight()
		p.sweep(now)
		d.weight += p.weight()
		if len(p.told) == 0 {
			d.tear(p, spare)
		}
		p = newer
	}
}
