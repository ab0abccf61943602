package wire

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

var (
	a4, b4 = netip.MustParseAddrPort("192.0.2.1:40000"), netip.MustParseAddrPort("192.0.2.2:80")
	a6, b6 = netip.MustParseAddrPort("[2001:db8::1]:40000"), netip.MustParseAddrPort("[2001:db8::2]:80")
)

var ends = []struct{ from, to netip.AddrPort }{{a4, b4}, {a6, b6}}

// TestOpenIsSound: what the builders make is what every receiver reads.
func TestOpenIsSound(t *testing.T) {
	for _, e := range ends {
		for _, protocol := range []uint8{ProtocolTCP, ProtocolUDP, ProtocolSCTP, ProtocolICMP, ProtocolGRE, 253} {
			t.Run(fmt.Sprintf("protocol %d to %v", protocol, e.to), func(t *testing.T) {
				r := Parse(Open(protocol, e.from, e.to).Frame())
				if !r.Sound() {
					t.Fatalf("got %+v, want it sound", r)
				}
				if protocol == ProtocolICMP && e.to.Addr().Is6() {
					protocol = ProtocolICMPv6
				}
				if r.From != e.from.Addr() || r.To != e.to.Addr() || r.Protocol != protocol {
					t.Errorf("got %v to %v in protocol %d, want %v to %v in %d", r.From, r.To, r.Protocol, e.from, e.to, protocol)
				}
				ported := protocol == ProtocolTCP || protocol == ProtocolUDP || protocol == ProtocolSCTP
				if r.HasPorts != ported || ported && (r.FromPort != e.from.Port() || r.ToPort != e.to.Port()) {
					t.Errorf("got ports %d to %d (%v), want those of %v to %v (%v)", r.FromPort, r.ToPort, r.HasPorts, e.from, e.to, ported)
				}
			})
		}
	}
}

// TestKnownChecksums: against packets that others have made.
func TestKnownChecksums(t *testing.T) {
	// The example of many textbooks (RFC 1071's algorithm).
	header := []byte{0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7}
	if got := checksum(header); got != 0xb861 {
		t.Errorf("IPv4 header: got %#04x, want 0xb861", got)
	}
	if got := segmentSum(a4.Addr(), b4.Addr(), ProtocolICMP, []byte{8, 0, 0, 0, 0, 1, 0, 1}); got != 0xf7fd {
		t.Errorf("echo request: got %#04x, want 0xf7fd", got)
	}
}

// TestParseOdd: how receivers read what is not sound.
func TestParseOdd(t *testing.T) {
	tcp4, tcp6, udp6 := TCP(a4, b4, SYN), TCP(a6, b6, SYN), UDP(a6, b6, strings.Repeat("x", 56))
	chain := func(p Packet, all ...Extension) Packet {
		p.Extensions = all
		return p
	}
	tagged := tcp4
	tagged.Link.Tags = []Tag{{EtherVLAN, 0}}
	routed := tcp4
	routed.Options = []byte{131, 7, 4, 1, 2, 3, 4}
	mapped := tcp6
	mapped.To = netip.MustParseAddr("::ffff:192.0.2.2")
	cases := []struct {
		sentence string
		frame    []byte
		fate     Fate
		port     uint16 // 0: none is read
		hint     string // in what is odd, ambiguous or the reason
	}{
		{"an empty frame is refused", nil, Refused, 0, "no Ethernet header"},
		{"ARP is no IP", Link{}.Around(EtherARP, make([]byte, 28)), Aside, 0, ""},
		{"a tag may be read or not", tagged.Frame(), Read, 80, "another network"},
		{"a short header is refused", tcp4.With(HeaderWords(4)).Frame(), Refused, 0, "shorter"},
		{"a length beyond the frame is refused", tcp4.With(TotalLength(41)).Frame(), Refused, 0, "more length"},
		{"a length that ends in the ports", tcp4.With(TotalLength(22)).Frame(), Refused, 0, "cut short"},
		{"a source route leads elsewhere", routed.Frame(), Read, 80, "source route"},
		{"a mapped address has two readings", mapped.Frame(), Read, 80, "mapped"},
		{"options do not move ports", Packet{From: a4.Addr(), To: b4.Addr(), Protocol: ProtocolTCP,
			Segment: tcp4.Segment, Options: []byte{1, 1, 0, 81}}.Frame(), Read, 80, ""},
		{"ports behind every header", chain(tcp6, HopByHop(), DestinationOptions(), Routing(0, 0, b6.Addr())).Frame(), Read, 80, ""},
		{"a route that only a home agent may have given", chain(tcp6, Routing(2, 0, b6.Addr())).Frame(), Read, 80, "Mobile IPv6"},
		{"ports behind an authentication header", chain(tcp6, Authentication()).Frame(), Read, 80, "key"},
		{"a route to go", chain(tcp6, Routing(0, 1, b6.Addr())).Frame(), Read, 80, "stop on the way"},
		{"an atomic fragment is whole", chain(tcp6, FragmentHeader(1, 0, false)).Frame(), Read, 80, ""},
		{"a first piece shows its ports", udp6.Piece(1, 0, 16).Frame(), Piece, 80, ""},
		{"a later piece shows none", udp6.Piece(1, 16, 64).Frame(), Piece, 0, ""},
		{"a tiny piece hides its header", tcp6.Piece(1, 0, 16).Frame(), Piece, 80, "later piece"},
		{"a piece of a piece", chain(udp6, FragmentHeader(1, 0, true), FragmentHeader(2, 0, true)).Frame(), Piece, 0, "piece of a piece"},
		{"no length, no jumbo option", tcp6.With(PayloadLength(0)).Frame(), Refused, 0, "cut short"},
		{"a jumbogram", chain(tcp6, HopByHop(0xc2, 4, 0, 0, 0, 28)).With(PayloadLength(0)).Frame(), Read, 80, "jumbogram"},
		{"two lengths", chain(tcp6, HopByHop(0xc2, 4, 0, 0, 0, 28)).Frame(), Read, 80, "two lengths"},
	}
	for _, c := range cases {
		t.Run(c.sentence, func(t *testing.T) {
			r := Parse(c.frame)
			if r.Fate != c.fate || r.ToPort != c.port {
				t.Errorf("got %v, port %d, want %v, port %d", r.Fate, r.ToPort, c.fate, c.port)
			}
			said := strings.Join(append(slices.Clone(r.Odd), r.Ambiguous, r.Why), " ")
			if !strings.Contains(said, c.hint) || (c.hint == "") != (strings.TrimSpace(said) == "") {
				t.Errorf("got %q, want %q in it", said, c.hint)
			}
		})
	}
}

// TestQuoted: an error shows the packet that it is about, also of eight bytes.
func TestQuoted(t *testing.T) {
	for _, e := range ends {
		p := Open(ProtocolUDP, e.from, e.to)
		r := Parse(Unreachable(e.to.Addr(), e.from.Addr(), p, len(p.IP())-8).Frame())
		if r.Quoted == nil || !r.IsError() || !r.Sound() {
			t.Fatalf("got %+v, want a sound error that quotes", r)
		}
		if q := r.Quoted; q.Fate != Read || q.From != e.from.Addr() || q.FromPort != e.from.Port() || q.ToPort != e.to.Port() {
			t.Errorf("quoted: got %+v, want the datagram to %v", q, e.to)
		}
		r = Parse(Unreachable(e.to.Addr(), e.from.Addr(), p, len(p.IP())-9).Frame())
		if r.Quoted.Fate != Refused {
			t.Errorf("seven bytes quoted: got %v, want them refused", r.Quoted.Fate)
		}
	}
}

// TestPieces: the segments of the pieces are the segment of the whole.
func TestPieces(t *testing.T) {
	for _, e := range ends {
		p := UDP(e.from, e.to, strings.Repeat("nameward", 8))
		var together []byte
		for _, piece := range p.Pieces(7, 16, 40) {
			r := Parse(piece.Frame())
			if r.Fate != Piece || r.Offset != len(together) || r.Bytes != len(piece.Segment) || r.Key.ID != 7 {
				t.Errorf("got %+v, want a piece at %d", r, len(together))
			}
			together = append(together, piece.Segment...)
		}
		if whole := p.IP(); !bytes.HasSuffix(whole, together) {
			t.Errorf("pieces: got %x, want the end of %x", together, whole)
		}
	}
}

// FuzzParse: no frame is too odd to be read, and nothing is read behind it.
func FuzzParse(f *testing.F) {
	for _, e := range ends {
		f.Add(Open(ProtocolTCP, e.from, e.to).Frame())
		f.Add(Unreachable(e.to.Addr(), e.from.Addr(), Open(ProtocolUDP, e.from, e.to), 1000).Frame())
		f.Add(UDP(e.from, e.to, "nameward").Piece(1, 0, 8).Frame())
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		r := Parse(slices.Clip(frame))
		if r.Fate == FateUnknown {
			t.Error("got no fate, want one")
		}
		if (r.Fate == Refused) != (r.Why != "") {
			t.Errorf("got %v because %q", r.Fate, r.Why)
		}
	})
}
