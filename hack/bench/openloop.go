package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/hack/demo/scene"
)

// metronome asks at a fixed rate, whatever becomes of the answers: who waits
// for an answer before the next question measures a server that is spared its
// own slowness. Times count from when a question was due, and end when the
// kernel took the answer from the wire.
type metronome struct {
	conns []*net.UDPConn
	// perSecond is for all connections, which take turns.
	perSecond int
}

// maxQuestions of one run have ids of their own.
const maxQuestions = 1 << 16

func newMetronome(server netip.AddrPort, perSecond int, from ...*scene.Netspace) (*metronome, error) {
	m := &metronome{perSecond: perSecond}
	for _, n := range from {
		err := n.Do(func() error {
			conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server))
			if err == nil {
				m.conns = append(m.conns, conn)
				err = stamped(conn)
			}
			return err
		})
		if err != nil {
			m.close()
			return nil, fmt.Errorf("open a socket to ask from: %w", err)
		}
	}
	return m, nil
}

// stamped has the kernel note when each datagram arrived, socket(7): the time
// until this process wakes up is not the server's.
func stamped(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = errors.Join(
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20))
	})
	return errors.Join(err, failed)
}

func (m *metronome) close() {
	for _, conn := range m.conns {
		conn.Close()
	}
}

// beats are the answers of one run, by question.
type beats struct {
	began time.Time
	step  time.Duration
	// took is in microseconds from when the question was due; infinite where
	// there was no answer.
	took []float64
	// late is how long after that it was sent, in microseconds: the
	// metronome's own fault, part of took.
	late []float64
	// bad counts answers without an address.
	bad int
}

// lost counts the questions without an answer.
func (b beats) lost() int { return infinite(b.took) }

func infinite(sample []float64) (n int) {
	for _, took := range sample {
		if math.IsInf(took, 1) {
			n++
		}
	}
	return n
}

// between are the times of questions that were due in that interval.
func (b beats) between(from, to time.Time) []float64 {
	if len(b.took) == 0 {
		return nil
	}
	index := func(at time.Time) int { return min(max(int(at.Sub(b.began)/b.step), 0), len(b.took)) }
	return b.took[index(from):max(index(from), index(to))]
}

// run asks count questions, fewer if the context ends, and waits for the
// answers up to a second longer.
func (m *metronome) run(ctx context.Context, count int, name func(i int) string) (beats, error) {
	if count > maxQuestions {
		return beats{}, fmt.Errorf("%d questions of one run, at most %d have ids of their own", count, maxQuestions)
	}
	questions := make([][]byte, count)
	for i := range questions {
		query := new(dns.Msg).SetQuestion(dns.Fqdn(name(i)), dns.TypeA)
		query.Id = uint16(i)
		wire, err := query.Pack()
		if err != nil {
			return beats{}, fmt.Errorf("write the question %s: %w", name(i), err)
		}
		questions[i] = wire
	}
	b := beats{step: time.Second / time.Duration(m.perSecond), took: make([]float64, count), late: make([]float64, count)}
	for i := range b.took {
		b.took[i] = math.Inf(1)
	}
	b.began = time.Now().Add(10 * time.Millisecond)
	var arrived, bad atomic.Int64
	var readers sync.WaitGroup
	for _, conn := range m.conns {
		if err := conn.SetReadDeadline(b.began.Add(time.Duration(count)*b.step + time.Second)); err != nil {
			return b, err
		}
		readers.Go(func() { b.receive(conn, &arrived, &bad) })
	}
	sent, err := m.send(ctx, b, questions)
	for end := time.Now().Add(time.Second); int(arrived.Load()) < sent && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	for _, conn := range m.conns {
		_ = conn.SetReadDeadline(time.Now())
	}
	readers.Wait()
	b.bad, b.took, b.late = int(bad.Load()), b.took[:sent], b.late[:sent]
	return b, err
}

// send has a thread of its own, which the kernel wakes without the usual slack
// of 50 µs, prctl(2). The thread stays: programs were started from it, perhaps,
// that the kernel ends when it ends.
func (m *metronome) send(ctx context.Context, b beats, questions [][]byte) (sent int, err error) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
		defer unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0)
		for sent = range questions {
			if err = ctx.Err(); err != nil {
				return
			}
			due := b.began.Add(time.Duration(sent) * b.step)
			for wait := time.Until(due); wait > 0; wait = time.Until(due) {
				pause := unix.NsecToTimespec(wait.Nanoseconds())
				_ = unix.Nanosleep(&pause, nil)
			}
			b.late[sent] = microsecondsOf(time.Since(due))
			if _, err = m.conns[sent%len(m.conns)].Write(questions[sent]); err != nil {
				err = fmt.Errorf("ask: %w", err)
				return
			}
		}
		sent = len(questions)
	}()
	<-ended
	return sent, err
}

func (b beats) receive(conn *net.UDPConn, arrived, bad *atomic.Int64) {
	reply, control := make([]byte, dns.MaxMsgSize), make([]byte, 128)
	const header, answers = 12, 6
	for {
		n, c, _, _, err := conn.ReadMsgUDPAddrPort(reply, control)
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || n < header {
			continue
		}
		i := int(binary.BigEndian.Uint16(reply))
		if i >= len(b.took) || !math.IsInf(b.took[i], 1) {
			continue
		}
		if reply[3]&0xf != dns.RcodeSuccess || binary.BigEndian.Uint16(reply[answers:]) == 0 {
			bad.Add(1)
		}
		b.took[i] = microsecondsOf(stamp(control[:c]).Sub(b.began.Add(time.Duration(i) * b.step)))
		arrived.Add(1)
	}
}

// stamp is when the datagram arrived: the kernel's word, else now.
func stamp(control []byte) time.Time {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err == nil {
		for _, m := range messages {
			if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= 16 {
				return time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:])))
			}
		}
	}
	return time.Now()
}

func microsecondsOf(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
