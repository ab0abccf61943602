// Package enforcertest is an enforcer for tests: a real client of plugin/stream
// that does what the test tells it. It knows the stream only.
package enforcertest

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/nameward/nameward/plugin/stream"
)

// patience bounds every wait of a test that is about to fail.
const patience = 10 * time.Second

// Enforcer is one session. Its methods fail the test when the session does not
// behave.
type Enforcer struct {
	tb      testing.TB
	conn    *grpc.ClientConn
	session stream.Names_SessionClient
	learned chan *stream.Learned
	ended   chan error
}

// Dial connects and says hello as node. The session ends with the test.
func Dial(tb testing.TB, target, node string, options ...grpc.DialOption) *Enforcer {
	tb.Helper()
	e := Connect(tb, target, options...)
	e.Send(Hello(&stream.Hello{Version: stream.Version, Node: node}))
	e.Welcome()
	return e
}

// Connect opens a session and sends nothing.
func Connect(tb testing.TB, target string, options ...grpc.DialOption) *Enforcer {
	tb.Helper()
	if len(options) == 0 {
		options = []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	}
	conn, err := grpc.NewClient(target, options...)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	session, err := stream.NewNamesClient(conn).Session(ctx)
	if err != nil {
		session = refusedSession{err: err}
	}
	e := &Enforcer{tb: tb, conn: conn, session: session,
		learned: make(chan *stream.Learned, 1<<16), ended: make(chan error, 1)}
	tb.Cleanup(func() {
		cancel()
		conn.Close()
	})
	return e
}

// refusedSession is one that could not even be opened.
type refusedSession struct {
	stream.Names_SessionClient
	err error
}

func (r refusedSession) Recv() (*stream.ServerMessage, error) { return nil, r.err }
func (r refusedSession) Send(*stream.ClientMessage) error     { return r.err }

// Welcome waits for the server's first message and begins to read the rest.
func (e *Enforcer) Welcome() {
	e.tb.Helper()
	m, err := e.session.Recv()
	if err != nil {
		e.tb.Fatalf("got no Welcome: %v", err)
	}
	if got := m.GetWelcome().GetVersion(); got != stream.Version {
		e.tb.Fatalf("got version %d in %v, want %d", got, m, stream.Version)
	}
	go e.receive()
}

// Refusal returns the error that ends a session before Welcome.
func (e *Enforcer) Refusal() error {
	e.tb.Helper()
	m, err := e.session.Recv()
	if err == nil {
		e.tb.Fatalf("got %v, want a refusal", m)
	}
	return err
}

func (e *Enforcer) receive() {
	for {
		m, err := e.session.Recv()
		if err != nil {
			e.ended <- err
			close(e.learned)
			return
		}
		e.learned <- m.GetLearned()
	}
}

// Send sends any message.
func (e *Enforcer) Send(m *stream.ClientMessage) {
	e.tb.Helper()
	if err := e.session.Send(m); err != nil {
		e.tb.Fatalf("send %v: %v", m, err)
	}
}

// Offer sends a message to a server that may have hung up already.
func (e *Enforcer) Offer(m *stream.ClientMessage) { _ = e.session.Send(m) }

// Watch asks for one client's answers.
func (e *Enforcer) Watch(client string, patterns ...string) {
	e.tb.Helper()
	e.Subscribe(&stream.Subscription{Watches: []*stream.Watch{
		{Addresses: [][]byte{Bytes(client)}, Patterns: patterns},
	}})
}

// Lock is Watch with a lockdown.
func (e *Enforcer) Lock(lockdown stream.Watch_Lockdown, client string, patterns ...string) {
	e.tb.Helper()
	e.Subscribe(&stream.Subscription{Watches: []*stream.Watch{
		{Addresses: [][]byte{Bytes(client)}, Patterns: patterns, Lockdown: lockdown},
	}})
}

// Subscribe sends a Subscription.
func (e *Enforcer) Subscribe(s *stream.Subscription) {
	e.tb.Helper()
	e.Send(&stream.ClientMessage{Message: &stream.ClientMessage_Subscription{Subscription: s}})
}

// Learned waits for the next message.
func (e *Enforcer) Learned() *stream.Learned {
	e.tb.Helper()
	select {
	case m, ok := <-e.learned:
		if !ok {
			e.tb.Fatalf("the session ended: %v", <-e.ended)
		}
		return m
	case <-time.After(patience):
		e.tb.Fatal("learned nothing")
		return nil
	}
}

// Pending returns the number of messages that came and were not looked at.
func (e *Enforcer) Pending() int { return len(e.learned) }

// Ack acknowledges one message.
func (e *Enforcer) Ack(seq uint64, valid time.Duration) {
	e.tb.Helper()
	e.Send(Ack(seq, valid))
}

// AckAll acknowledges everything from now on. It takes the messages: Learned
// must not be used any more.
func (e *Enforcer) AckAll(valid time.Duration) {
	go func() {
		for m := range e.learned {
			if e.session.Send(Ack(m.GetSeq(), valid)) != nil {
				return
			}
		}
	}()
}

// Ended waits for the end of the session and returns its error.
func (e *Enforcer) Ended() error {
	e.tb.Helper()
	select {
	case err := <-e.ended:
		return err
	case <-time.After(patience):
		e.tb.Fatal("the session goes on")
		return nil
	}
}

// Close breaks the connection.
func (e *Enforcer) Close() { e.conn.Close() }

// Hello wraps a Hello.
func Hello(h *stream.Hello) *stream.ClientMessage {
	return &stream.ClientMessage{Message: &stream.ClientMessage_Hello{Hello: h}}
}

// Ack makes an acknowledgement.
func Ack(seq uint64, valid time.Duration) *stream.ClientMessage {
	return &stream.ClientMessage{Message: &stream.ClientMessage_Ack{
		Ack: &stream.Ack{Seq: seq, ValidMs: uint64(valid.Milliseconds())},
	}}
}

// Bytes is an address as the stream carries it.
func Bytes(addr string) []byte { return netip.MustParseAddr(addr).AsSlice() }

// Await polls for a state that no event announces.
func Await(tb testing.TB, what string, state func() bool) {
	tb.Helper()
	for end := time.Now().Add(patience); !state(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("%s: not within %v", what, patience)
		}
	}
}
