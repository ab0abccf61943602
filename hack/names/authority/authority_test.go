package authority

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var addr = netip.MustParseAddr("192.0.2.66")

// serve starts the server on the loopback and returns its address.
func serve(t *testing.T, scripts map[string]Script) string {
	t.Helper()
	packets, streams := listen(t)
	server := Serve(packets, streams, scripts)
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return packets.LocalAddr().String()
}

// listen opens one port for both: the one that UDP gets may be taken over TCP.
func listen(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 100 {
		packets, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		streams, err := net.Listen("tcp", packets.LocalAddr().String())
		if err == nil {
			return packets, streams
		}
		packets.Close()
	}
	t.Fatal("no port is free over UDP and TCP")
	return nil, nil
}

// ask returns the bytes of the first reply, empty where none comes.
func ask(t *testing.T, server, network, name string, rrtype uint16, size uint16) []byte {
	t.Helper()
	conn := dial(t, server, network)
	query := new(dns.Msg).SetQuestion(name, rrtype)
	if size > 0 {
		query.SetEdns0(size, false)
	}
	if err := conn.WriteMsg(query); err != nil {
		t.Fatal(err)
	}
	return read(t, conn)
}

func dial(t *testing.T, server, network string) *dns.Conn {
	t.Helper()
	conn, err := dns.Dial(network, server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.UDPSize = dns.MaxMsgSize
	return conn
}

func read(t *testing.T, conn *dns.Conn) []byte {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, dns.MaxMsgSize)
	n, _ := conn.Read(buffer)
	return buffer[:n]
}

func unpack(t *testing.T, wire []byte) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	if err := m.Unpack(wire); err != nil {
		t.Fatalf("unpack %x: %v", wire, err)
	}
	return m
}

func TestScripts(t *testing.T) {
	many := strings.Repeat("@ 60 A 192.0.2.1\n", 4000)
	server := serve(t, map[string]Script{
		"answers.example.": Answers("@ 7 A 192.0.2.1\nwww 8 AAAA 2001:db8::1"),
		"many.example.":    Answers(many),
		"fails.example.":   Fails(dns.RcodeServerFailure),
		"silent.example.":  Silent(),
		"cut.example.":     ByTransport(Fails(dns.RcodeSuccess).Truncated(), Answers("@ 7 A 192.0.2.1")),
		"typed.example.":   ByType(map[uint16]Script{dns.TypeA: Answers("@ 7 A 192.0.2.1")}),
		"strange.example.": Answers("@ 7 A 192.0.2.1").Edited(func(_ Query, m *dns.Msg) { m.Id++ }),
		"rest.example.":    Fails(dns.RcodeSuccess).With(Authority, "@ 7 A 192.0.2.1").With(Additional, "@ 7 A 192.0.2.2\n@ 7 A 192.0.2.3"),
	})
	for _, c := range []struct {
		says, network, name string
		rrtype              uint16
		size                uint16
		want                string
	}{
		{"a script's records come in their order", "udp", "answers.example.", dns.TypeA, 0, "NOERROR 2 0 0"},
		{"letters' case does not matter", "udp", "AnSwErS.example.", dns.TypeA, 0, "NOERROR 2 0 0"},
		{"a name without a script does not exist", "udp", "other.example.", dns.TypeA, 0, "NXDOMAIN 0 0 0"},
		{"over UDP an answer is cut to 512 bytes", "udp", "many.example.", dns.TypeA, 0, "NOERROR TC 30 0 0"},
		{"with EDNS it is cut to what the client says", "udp", "many.example.", dns.TypeA, 1232, "NOERROR TC 74 0 1"},
		{"4,000 addresses fit TCP", "tcp", "many.example.", dns.TypeA, 0, "NOERROR 4000 0 0"},
		{"a code comes without records", "udp", "fails.example.", dns.TypeA, 0, "SERVFAIL 0 0 0"},
		{"silence", "udp", "silent.example.", dns.TypeA, 0, "nothing"},
		{"TC over UDP", "udp", "cut.example.", dns.TypeA, 0, "NOERROR TC 0 0 0"},
		{"and the answer over TCP", "tcp", "cut.example.", dns.TypeA, 0, "NOERROR 1 0 0"},
		{"the type that a script is for", "udp", "typed.example.", dns.TypeA, 0, "NOERROR 1 0 0"},
		{"another type has no records", "udp", "typed.example.", dns.TypeAAAA, 0, "NOERROR 0 0 0"},
		{"the other sections", "udp", "rest.example.", dns.TypeA, 0, "NOERROR 0 1 2"},
	} {
		t.Run(c.says, func(t *testing.T) {
			if got := describe(t, ask(t, server, c.network, c.name, c.rrtype, c.size)); got != c.want {
				t.Errorf("reply: got %q, want %q", got, c.want)
			}
		})
	}
	t.Run("an edited message", func(t *testing.T) {
		conn := dial(t, server, "udp")
		query := new(dns.Msg).SetQuestion("strange.example.", dns.TypeA)
		if err := conn.WriteMsg(query); err != nil {
			t.Fatal(err)
		}
		if got := unpack(t, read(t, conn)).Id; got != query.Id+1 {
			t.Errorf("ID: got %d, want %d", got, query.Id+1)
		}
	})
}

// describe is the code, TC, and the number of records in each section.
func describe(t *testing.T, wire []byte) string {
	if len(wire) == 0 {
		return "nothing"
	}
	m := unpack(t, wire)
	text := dns.RcodeToString[m.Rcode]
	if m.Truncated {
		text += " TC"
	}
	for _, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		text += " " + strconv.Itoa(len(section))
	}
	return text
}

func TestSequences(t *testing.T) {
	first, second := Answers("@ 7 A 192.0.2.1"), Answers("@ 7 A 192.0.2.2")
	server := serve(t, map[string]Script{
		"then.example.": Then(first, second),
		"both.example.": All(first, second.After(20*time.Millisecond)),
	})
	for i, want := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.2"} {
		if got := onlyAddress(t, ask(t, server, "udp", "then.example.", dns.TypeA, 0)); got != want {
			t.Errorf("reply to query %d: got %s, want %s", i, got, want)
		}
	}
	if got := onlyAddress(t, ask(t, server, "udp", "then.example.", dns.TypeAAAA, 0)); got != "192.0.2.1" {
		t.Errorf("first reply to another type: got %s, want 192.0.2.1", got)
	}
	conn := dial(t, server, "udp")
	if err := conn.WriteMsg(new(dns.Msg).SetQuestion("both.example.", dns.TypeA)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"192.0.2.1", "192.0.2.2"} {
		if got := onlyAddress(t, read(t, conn)); got != want {
			t.Errorf("datagram: got %s, want %s", got, want)
		}
	}
}

func onlyAddress(t *testing.T, wire []byte) string {
	t.Helper()
	m := unpack(t, wire)
	if len(m.Answer) != 1 {
		t.Fatalf("records: got %d, want 1", len(m.Answer))
	}
	return m.Answer[0].(*dns.A).A.String()
}

// TestBombs: what is meant to be unreadable is, and holds the address that a
// careless reader would take.
func TestBombs(t *testing.T) {
	for name, c := range map[string]struct {
		script   Script
		readable bool
		least    int
	}{
		"a pointer to itself":           {SelfPointer(addr), false, 30},
		"pointers without end":          {PointerFlood(addr), false, 65_000},
		"a pointer behind the message":  {ForwardPointer(addr), false, 30},
		"more data than there is":       {Misstated(400, addr), false, 30},
		"less data than an address has": {Misstated(3, addr), false, 30},
		"more records than there are":   {Overcounted(addr), true, 30},
		"less than a header":            {Headless(), false, 5},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, map[string]Script{"bomb.example.": c.script})
			wire := ask(t, server, "tcp", "bomb.example.", dns.TypeA, 0)
			if len(wire) < c.least || len(wire) > dns.MaxMsgSize {
				t.Fatalf("length: got %d, want %d to %d", len(wire), c.least, dns.MaxMsgSize)
			}
			if c.least > 5 && !strings.HasSuffix(string(wire), string(addr.AsSlice())) {
				t.Errorf("last bytes: got %x, want those of %s", wire[len(wire)-4:], addr)
			}
			if err := new(dns.Msg).Unpack(wire); (err == nil) != c.readable {
				t.Errorf("unpack: got %v, want readable %v", err, c.readable)
			}
		})
	}
}

// TestStop: replies that still wait do not outlive the server.
func TestStop(t *testing.T) {
	server := serve(t, map[string]Script{"late.example.": Answers("@ 7 A 192.0.2.1").After(time.Hour)})
	if got := ask(t, server, "udp", "late.example.", dns.TypeA, 0); len(got) != 0 {
		t.Errorf("reply: got %x, want none for an hour", got)
	}
}
