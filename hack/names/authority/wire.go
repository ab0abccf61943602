package authority

import (
	"encoding/binary"
	"net/netip"

	"github.com/miekg/dns"
)

// maxPointer is the furthest offset that a compression pointer can name.
const maxPointer = 1<<14 - 1

// message is a reply to query up to and with its question, which says that it
// has so many answers. All that follows is up to the caller.
func message(query *dns.Msg, answers int) []byte {
	head := new(dns.Msg).SetReply(query)
	head.Extra = nil
	wire, err := head.Pack()
	if err != nil {
		panic(err) // query was unpacked from a message
	}
	binary.BigEndian.PutUint16(wire[6:], uint16(answers))
	return wire
}

// record appends a record of class IN that lives a minute. length is what it
// says of its data, true or not.
func record(wire, owner []byte, rrtype uint16, length int, data []byte) []byte {
	wire = append(wire, owner...)
	wire = binary.BigEndian.AppendUint16(wire, rrtype)
	wire = binary.BigEndian.AppendUint16(wire, dns.ClassINET)
	wire = binary.BigEndian.AppendUint32(wire, 60)
	wire = binary.BigEndian.AppendUint16(wire, uint16(length))
	return append(wire, data...)
}

func pointer(offset int) []byte { return binary.BigEndian.AppendUint16(nil, 0xc000|uint16(offset)) }

// question is where a message's question begins.
const question = 12

// SelfPointer answers with an address whose owner is a compression pointer to
// itself.
func SelfPointer(addr netip.Addr) Script {
	return Bytes(func(query *dns.Msg) []byte {
		wire := message(query, 1)
		return record(wire, pointer(len(wire)), dns.TypeA, 4, addr.AsSlice())
	})
}

// PointerFlood answers, over TCP, with 64 KB of pointers, each to the one
// before it, and with addresses that have the longest such chain for an owner.
func PointerFlood(addr netip.Addr) Script {
	return Bytes(func(query *dns.Msg) []byte {
		const records, data = 2, 65_000
		wire := message(query, records)
		flood := make([]byte, 0, data)
		start := len(wire) + 2 + 10 // behind the owner and the record's head
		last := question
		for len(flood) < data {
			at := start + len(flood)
			flood = append(flood, pointer(last)...)
			if at <= maxPointer {
				last = at
			}
		}
		const unassigned = 65280 // RFC 6895: for private use
		wire = record(wire, pointer(question), unassigned, len(flood), flood)
		return record(wire, pointer(last), dns.TypeA, 4, addr.AsSlice())
	})
}

// ForwardPointer answers with an address whose owner points behind itself.
func ForwardPointer(addr netip.Addr) Script {
	return Bytes(func(query *dns.Msg) []byte {
		wire := message(query, 1)
		return record(wire, pointer(maxPointer), dns.TypeA, 4, addr.AsSlice())
	})
}

// Misstated answers with an address whose record says that it has length bytes
// of data.
func Misstated(length int, addr netip.Addr) Script {
	return Bytes(func(query *dns.Msg) []byte {
		return record(message(query, 1), pointer(question), dns.TypeA, length, addr.AsSlice())
	})
}

// Overcounted answers with one address and says that there are 65,535.
func Overcounted(addr netip.Addr) Script {
	return Bytes(func(query *dns.Msg) []byte {
		return record(message(query, 1<<16-1), pointer(question), dns.TypeA, 4, addr.AsSlice())
	})
}

// Headless answers with the first bytes of a header.
func Headless() Script {
	return Bytes(func(query *dns.Msg) []byte { return message(query, 0)[:5] })
}
