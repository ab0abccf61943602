package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// listen answers every question that react does not refuse, until the test
// ends, and returns a metronome for it.
func listen(t *testing.T, perSecond int, react func(i int, reply *dns.Msg) (answers bool)) *metronome {
	t.Helper()
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		buf := make([]byte, 512)
		for i := 0; ; i++ {
			n, from, err := socket.ReadFromUDP(buf)
			if err != nil {
				return
			}
			query := new(dns.Msg)
			if query.Unpack(buf[:n]) != nil {
				continue
			}
			reply := new(dns.Msg).SetReply(query)
			reply.Answer = []dns.RR{&dns.A{A: net.IPv4(192, 0, 2, 1), Hdr: dns.RR_Header{
				Name: query.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}}}
			if !react(int(query.Id), reply) {
				continue
			}
			if wire, err := reply.Pack(); err == nil {
				_, _ = socket.WriteToUDP(wire, from)
			}
		}
	})
	conn, err := net.DialUDP("udp", nil, socket.LocalAddr().(*net.UDPAddr))
	if err == nil {
		err = stamped(conn)
	}
	if err != nil {
		t.Fatal(err)
	}
	m := &metronome{conns: []*net.UDPConn{conn}, perSecond: perSecond}
	t.Cleanup(func() {
		m.close()
		socket.Close()
		serving.Wait()
	})
	return m
}

func testName(i int) string { return fmt.Sprintf("n%d.example", i) }

func TestMetronomeSeesEveryAnswer(t *testing.T) {
	m := listen(t, 5000, func(i int, reply *dns.Msg) bool {
		switch i {
		case 7:
			return false
		case 8:
			reply.Rcode = dns.RcodeServerFailure
		case 9:
			reply.Answer = nil
		}
		return true
	})
	b, err := m.run(t.Context(), 100, testName)
	if err != nil {
		t.Fatal(err)
	}
	if b.lost() != 1 || !math.IsInf(b.took[7], 1) {
		t.Errorf("lost: got %d, want the seventh alone: %v", b.lost(), b.took)
	}
	if b.bad != 2 {
		t.Errorf("answers without an address: got %d, want 2", b.bad)
	}
	for i, took := range b.took {
		if took < b.late[i] {
			t.Errorf("question %d: answered %.0f µs after it was due, sent %.0f µs after it was due", i, took, b.late[i])
		}
	}
}

// A server that stops for a while makes all questions of that while slow, not
// the one that it stopped at.
func TestMetronomeCountsWaitingFromWhenAQuestionWasDue(t *testing.T) {
	const stall = 100 * time.Millisecond
	m := listen(t, 1000, func(i int, _ *dns.Msg) bool {
		if i == 10 {
			time.Sleep(stall)
		}
		return true
	})
	b, err := m.run(t.Context(), 60, testName)
	if err != nil {
		t.Fatal(err)
	}
	if b.lost() > 0 {
		t.Fatalf("lost: got %d, want none", b.lost())
	}
	// Question 50 was due 40 ms into the pause.
	if got, want := b.took[50], microsecondsOf(stall-45*time.Millisecond); got < want {
		t.Errorf("question 50: got %.0f µs, want at least %.0f", got, want)
	}
}

func TestMetronomeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	m := listen(t, 1000, func(i int, _ *dns.Msg) bool {
		if i == 5 {
			cancel()
		}
		return true
	})
	b, err := m.run(ctx, maxQuestions, testName)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error: got %v, want %v", err, context.Canceled)
	}
	if len(b.took) < 6 || len(b.took) == maxQuestions || b.lost() > 0 {
		t.Errorf("questions: got %d, %d of them lost, want those that were asked, and their answers", len(b.took), b.lost())
	}
}

func TestMetronomeKnowsEachQuestion(t *testing.T) {
	m := &metronome{perSecond: 1}
	if _, err := m.run(t.Context(), maxQuestions+1, testName); err == nil {
		t.Error("more questions than ids: got no error, want one")
	}
}

func TestBeatsBetween(t *testing.T) {
	began := time.Unix(1000, 0)
	b := beats{began: began, step: time.Millisecond, took: []float64{0, 1, 2, 3, 4}}
	at := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
	for name, c := range map[string]struct {
		from, to int
		want     []float64
	}{
		"all":                            {-1, 9, []float64{0, 1, 2, 3, 4}},
		"the middle":                     {1, 3, []float64{1, 2}},
		"what is after the last is none": {7, 9, []float64{}},
		"an interval that ends early":    {3, 1, []float64{}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := b.between(at(c.from), at(c.to)); !slices.Equal(got, c.want) {
				t.Errorf("times: got %v, want %v", got, c.want)
			}
		})
	}
}
