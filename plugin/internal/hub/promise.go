package hub

import (
	"slices"
	"time"
)

// promise is what an enforcer has said of one address of a name.
type promise struct {
	ip    address
	until instant
	// slack is what the enforcer added to the TTL: grace, and the floor under
	// short TTLs. The plugin learns it by seeing it.
	slack time.Duration
}

// promises are those for one name. Most names have few addresses, which take
// little room and are found sooner than by a hash.
type promises struct {
	all   []promise
	index map[address]int32 // positions in all; nil while it is scanned
}

// find returns the promise for an address, nil if there is none. In most answers
// it is the likely one.
func (p *promises) find(ip address, likely int) *promise {
	if likely < len(p.all) && p.all[likely].ip == ip {
		return &p.all[likely]
	}
	if p.index != nil {
		if i, ok := p.index[ip]; ok {
			return &p.all[i]
		}
		return nil
	}
	for i := range p.all {
		if p.all[i].ip == ip {
			return &p.all[i]
		}
	}
	return nil
}

// add takes a promise; of two for one address the later end stays.
func (p *promises) add(made promise, likely int) {
	if have := p.find(made.ip, likely); have != nil {
		if made.until > have.until {
			*have = made
		}
		return
	}
	p.all = append(p.all, made)
	if p.index != nil {
		p.index[made.ip] = int32(len(p.all) - 1)
	} else if len(p.all) > scanned {
		p.reindex()
	}
}

// expire drops what has run out and returns how many.
func (p *promises) expire(now instant) int {
	before := len(p.all)
	p.all = slices.DeleteFunc(p.all, func(made promise) bool { return made.until <= now })
	p.reindex()
	return before - len(p.all)
}

func (p *promises) reindex() {
	p.index = nil
	if len(p.all) <= scanned {
		return
	}
	p.index = make(map[address]int32, len(p.all))
	for i := range p.all {
		p.index[p.all[i].ip] = int32(i)
	}
}
