package authority

import (
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Answers sends the records, in this order, as the answer to whatever type is
// asked for. They are lines of a zone file (RFC 1035, 5.1) whose origin, @, is
// the name asked for, as it was asked. It panics where they are none: scripts
// are part of the program.
func Answers(records string) Script { return Fails(dns.RcodeSuccess).With(Answer, records) }

// Fails sends the code (RcodeSuccess included) and no record.
func Fails(rcode int) Script {
	return func(q Query) []Reply {
		message := new(dns.Msg).SetRcode(q.Message, rcode)
		message.Authoritative = true
		if opt := q.Message.IsEdns0(); opt != nil {
			message.SetEdns0(4096, opt.Do())
		}
		return []Reply{{Message: message}}
	}
}

// Silent sends nothing.
func Silent() Script { return func(Query) []Reply { return nil } }

// Then plays one script for each query for a name, and the last for all
// further ones.
func Then(scripts ...Script) Script {
	return func(q Query) []Reply { return scripts[min(q.Nth, len(scripts)-1)](q) }
}

// All sends what each of the scripts sends, to one query.
func All(scripts ...Script) Script {
	return func(q Query) []Reply {
		var replies []Reply
		for _, script := range scripts {
			replies = append(replies, script(q)...)
		}
		return replies
	}
}

// ByTransport plays one script over UDP and another over TCP.
func ByTransport(udp, tcp Script) Script {
	return func(q Query) []Reply {
		if q.TCP {
			return tcp(q)
		}
		return udp(q)
	}
}

// ByType plays the script of the type asked for; others have no records.
func ByType(scripts map[uint16]Script) Script {
	return func(q Query) []Reply {
		if script, ok := scripts[q.Question().Qtype]; ok {
			return script(q)
		}
		return Fails(dns.RcodeSuccess)(q)
	}
}

// Bytes sends what make makes of the query.
func Bytes(make func(query *dns.Msg) []byte) Script {
	return func(q Query) []Reply { return []Reply{{Wire: make(q.Message)}} }
}

// After has the script's replies wait that much longer.
func (s Script) After(d time.Duration) Script {
	return func(q Query) []Reply {
		replies := s(q)
		for i := range replies {
			replies[i].After += d
		}
		return replies
	}
}

// Section is a part of a message.
type Section uint8

// The sections that hold records.
const (
	SectionUnknown Section = iota
	Answer
	Authority
	Additional
)

// With puts further records into a section. See Answers.
func (s Script) With(section Section, records string) Script {
	parse("check.example.", records)
	return s.Edited(func(q Query, m *dns.Msg) {
		more := parse(q.Question().Name, records)
		switch section {
		case Answer:
			m.Answer = append(m.Answer, more...)
		case Authority:
			m.Ns = append(m.Ns, more...)
		case Additional:
			m.Extra = append(m.Extra, more...)
		}
	})
}

// Edited has edit change each message before it is sent.
func (s Script) Edited(edit func(Query, *dns.Msg)) Script {
	return func(q Query) []Reply {
		replies := s(q)
		for _, reply := range replies {
			if reply.Message != nil {
				edit(q, reply.Message)
			}
		}
		return replies
	}
}

// Truncated sets TC.
func (s Script) Truncated() Script {
	return s.Edited(func(_ Query, m *dns.Msg) { m.Truncated = true })
}

func parse(origin, records string) []dns.RR {
	parser := dns.NewZoneParser(strings.NewReader(records+"\n"), origin, "")
	var all []dns.RR
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		all = append(all, rr)
	}
	if err := parser.Err(); err != nil {
		panic(fmt.Sprintf("records of %s: %v", origin, err))
	}
	return all
}
