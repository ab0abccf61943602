package nameward

import (
	"net"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"github.com/nameward/nameward/plugin/internal/hub"
	"github.com/nameward/nameward/plugin/names"
	"github.com/nameward/nameward/plugin/stream"
)

// maxChain is the longest CNAME chain that is followed. Resolvers give up
// earlier: BIND and Unbound at 11 or so.
const maxChain = 16

// maxTTL is a week, in seconds: what RFC 8767, 4, recommends to cut longer TTLs
// to, so that no zone makes an address a pod's for a century.
const maxTTL = 7 * 24 * 60 * 60

// extraction is what a client learns from one answer. It is used again and
// again, to spare the allocations.
type extraction struct {
	names     []string
	addresses []hub.Address

	owners []string // the links of the chain so far
}

// targets says which names of a chain a pattern may match besides the question.
type targets uint8

const (
	// noTarget: whoever owns the question's zone chooses its targets.
	noTarget targets = iota
	// searchTarget: the first, where it is what autopath made of the question.
	searchTarget
	// everyTarget: every link.
	everyTarget
)

// read finds the addresses that the CNAME chain of question leads to, each with
// the smallest TTL on its way, and the names that a pattern may match.
func (x *extraction) read(question string, answer []dns.RR, match targets) {
	x.names = append(x.names[:0], names.Canonical(question))
	x.addresses = x.addresses[:0]
	x.owners = x.owners[:0]
	ttl := uint32(maxTTL)
	for owner := question; ; {
		cname := x.collect(owner, answer, ttl)
		x.owners = append(x.owners, owner)
		if cname == nil || len(x.owners) > maxChain || x.visited(cname.Target) {
			return
		}
		ttl = min(ttl, cname.Hdr.Ttl)
		first := len(x.owners) == 1
		owner = cname.Target
		if target := names.Canonical(owner); match == everyTarget ||
			match == searchTarget && first && madeByAutopath(x.names[0], target) {
			x.names = append(x.names, target)
		}
	}
}

// collect takes the owner's addresses and returns its CNAME, nil if it has none.
func (x *extraction) collect(owner string, answer []dns.RR, ttl uint32) (cname *dns.CNAME) {
	sets := setTTLs{ttl, ttl, ttl, ttl}
	for _, rr := range answer {
		if least := sets.of(rr); least != nil && ownedBy(rr, owner) {
			*least = min(*least, rr.Header().Ttl)
		}
	}
	for _, rr := range answer {
		if !ownedBy(rr, owner) {
			continue
		}
		switch rr := rr.(type) {
		case *dns.A:
			x.add(rr.A, sets.a)
		case *dns.AAAA:
			x.add(rr.AAAA, sets.aaaa)
		case *dns.HTTPS:
			x.addHints(rr.Value, sets.https)
		case *dns.SVCB:
			x.addHints(rr.Value, sets.svcb)
		case *dns.CNAME:
			if cname == nil {
				cname = rr
			}
		}
	}
	return cname
}

func ownedBy(rr dns.RR, owner string) bool {
	header := rr.Header()
	return header.Class == dns.ClassINET && sameName(header.Name, owner)
}

// setTTLs are the TTLs of one owner's sets of records. All records of a set have
// the smallest TTL among them (RFC 2181, 5.2), also one that stands there twice.
type setTTLs struct{ a, aaaa, https, svcb uint32 }

// of is where the TTL of the record's set is kept, nil if it holds no address.
func (s *setTTLs) of(rr dns.RR) *uint32 {
	switch rr.(type) {
	case *dns.A:
		return &s.a
	case *dns.AAAA:
		return &s.aaaa
	case *dns.HTTPS:
		return &s.https
	case *dns.SVCB:
		return &s.svcb
	}
	return nil
}

// addHints takes ipv4hint and ipv6hint (RFC 9460, 7.3): a client may connect to
// them without another question.
func (x *extraction) addHints(pairs []dns.SVCBKeyValue, ttl uint32) {
	for _, pair := range pairs {
		switch pair := pair.(type) {
		case *dns.SVCBIPv4Hint:
			for _, ip := range pair.Hint {
				x.add(ip, ttl)
			}
		case *dns.SVCBIPv6Hint:
			for _, ip := range pair.Hint {
				x.add(ip, ttl)
			}
		}
	}
}

func (x *extraction) add(ip net.IP, ttl uint32) {
	addr, ok := netip.AddrFromSlice(ip)
	// No message that can be sent holds more than MaxAddresses.
	if !ok || len(x.addresses) == stream.MaxAddresses {
		return
	}
	x.addresses = append(x.addresses, hub.Address{IP: addr.Unmap(), TTL: ttl})
}

func (x *extraction) visited(name string) bool {
	for _, owner := range x.owners {
		if sameName(owner, name) {
			return true
		}
	}
	return false
}

// madeByAutopath recognises the CNAME with which the autopath plugin answers the
// first name of a search path: BASE.NAMESPACE.svc.ZONE leads to BASE, or to BASE
// under another element of the path. Both names are canonical. A name with an
// escape, in which a dot may be no label's end, is none of a search path.
func madeByAutopath(question, target string) bool {
	if strings.Contains(question, `\`) {
		return false
	}
	for at := 0; ; {
		i := strings.Index(question[at:], ".svc.")
		if i < 0 {
			return false
		}
		svc := at + i
		if ns := strings.LastIndexByte(question[:svc], '.'); ns > 0 {
			base := question[:ns]
			if rest, ok := strings.CutPrefix(target, base); ok && (rest == "" || rest[0] == '.') {
				return true
			}
		}
		at = svc + 1
	}
}

// sameName compares as DNS does: ASCII letters in any case. Names in a dns.Msg
// are fully qualified, and escape what is not ASCII.
func sameName(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	if a == b {
		return true
	}
	for i := range len(a) {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if x|0x20 != y|0x20 || x|0x20 < 'a' || x|0x20 > 'z' {
			return false
		}
	}
	return true
}
