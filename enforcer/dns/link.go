package dns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/nameward/nameward/plugin/stream"
)

// greetTimeout bounds dialling and the wait for Welcome.
const greetTimeout = 5 * time.Second

// maxUnsentAcks is how far a server may fall behind in reading. Past that it
// has let every hold of those answers time out anyway.
const maxUnsentAcks = 4096

var (
	errNoWelcome = errors.New("no Welcome within 5 s")
	errSlowPeer  = errors.New("server does not read its acknowledgements")
	errEnded     = errors.New("server ended the session")
)

// link is one stream of a session. Its reader runs on a goroutine of its own and
// acknowledges what it has just read; all else is sent by its writer.
type link struct {
	session *session
	conn    *grpc.ClientConn
	ctx     context.Context // of the stream; ends with cancel
	stream  grpc.BidiStreamingClient[stream.ClientMessage, stream.ServerMessage]
	sending sync.Mutex // gRPC allows one Send at a time
	acks    chan ack   // for the writer
	cancel  context.CancelCauseFunc
}

type ack struct {
	seq   uint64
	valid time.Duration
}

func (l *link) close() {
	l.cancel(nil)
	l.conn.Close()
}

// Acknowledge is called from any goroutine.
func (l *link) Acknowledge(seq uint64, valid time.Duration) {
	select {
	case l.acks <- ack{seq, valid}:
	default:
		l.cancel(errSlowPeer)
	}
}

// greet says Hello and returns the instance that the Welcome names.
func (l *link) greet() (string, error) {
	cfg := &l.session.client.cfg
	hello := &stream.Hello{Version: stream.Version, Node: cfg.Node}
	for _, a := range cfg.nodeAddresses(l.session.target) {
		if len(hello.NodeAddresses) < stream.MaxNodeAddresses {
			hello.NodeAddresses = append(hello.NodeAddresses, a.AsSlice())
		}
	}
	if err := l.stream.Send(&stream.ClientMessage{Message: &stream.ClientMessage_Hello{Hello: hello}}); err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	// Where Send met the end of the stream, Recv knows why.
	msg, err := l.stream.Recv()
	if err != nil {
		return "", err
	}
	welcome := msg.GetWelcome()
	if welcome == nil {
		return "", errors.New("first message of the server is no Welcome")
	}
	if welcome.GetVersion() != stream.Version {
		return "", fmt.Errorf("server speaks protocol version %d, this enforcer %d", welcome.GetVersion(), stream.Version)
	}
	return welcome.GetInstance(), nil
}

// serve reads and writes until the stream ends.
func (l *link) serve(ctx context.Context) error {
	wrote := make(chan error, 1)
	go func() { wrote <- l.write(ctx) }()
	err := l.read()
	l.cancel(nil)
	if werr := <-wrote; errors.Is(err, io.EOF) {
		if werr != nil && !errors.Is(werr, io.EOF) {
			return werr
		}
		return errEnded
	}
	return err
}

func (l *link) read() error {
	for {
		msg, err := l.stream.Recv()
		if err != nil {
			return err
		}
		learned := msg.GetLearned()
		if learned == nil {
			continue // of a newer server
		}
		if valid, known := l.session.client.cfg.Learned(l.learned(learned)); known {
			l.acknowledgeAtOnce(ack{learned.GetSeq(), valid})
		}
	}
}

// acknowledgeAtOnce is the reader's way, which spares the pod that waits for the
// answer another goroutine's turn. Where CoreDNS does not read, it blocks, and
// with it this stream alone. That a stream has ended, and why, Recv will know.
func (l *link) acknowledgeAtOnce(a ack) {
	if !l.sending.TryLock() {
		l.Acknowledge(a.seq, a.valid)
		return
	}
	defer l.sending.Unlock()
	_ = l.stream.Send(a.message())
}

func (l *link) learned(m *stream.Learned) Learned {
	client, _ := stream.ParseAddress(m.GetClient()) // the zero address is nobody's
	out := Learned{
		Client:    client,
		Name:      m.GetName(),
		Addresses: make([]Address, 0, len(m.GetAddresses())),
		Replayed:  m.GetReplayed(),
		Session:   l,
		Seq:       m.GetSeq(),
	}
	for _, a := range m.GetAddresses() {
		if ip, err := stream.ParseAddress(a.GetIp()); err == nil {
			out.Addresses = append(out.Addresses, Address{IP: ip, TTL: time.Duration(a.GetTtl()) * time.Second})
		}
	}
	return out
}

// write sends the interest whenever it changes, and acknowledgements that came late.
func (l *link) write(ctx context.Context) error {
	var sent *interest
	for {
		want, changed := l.session.client.wanted()
		if want != sent {
			if err := l.subscribe(want, sent); err != nil {
				return err
			}
			sent = want
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case a := <-l.acks:
			if err := l.send(a.message()); err != nil {
				return err
			}
		}
	}
}

// subscribe sends the difference between two interests. Acknowledgements go
// between the chunks, because a client waits behind each of them.
func (l *link) subscribe(want, sent *interest) error {
	chunks := want.full
	if sent != nil {
		chunks = func() []*stream.Subscription { return want.since(sent) }
	}
	for _, c := range chunks() {
		if err := l.flush(); err != nil {
			return err
		}
		if err := l.send(&stream.ClientMessage{Message: &stream.ClientMessage_Subscription{Subscription: c}}); err != nil {
			return err
		}
	}
	return nil
}

func (l *link) flush() error {
	for {
		select {
		case a := <-l.acks:
			if err := l.send(a.message()); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

func (l *link) send(m *stream.ClientMessage) error {
	l.sending.Lock()
	defer l.sending.Unlock()
	return l.stream.Send(m)
}

func (a ack) message() *stream.ClientMessage {
	return &stream.ClientMessage{Message: &stream.ClientMessage_Ack{
		Ack: &stream.Ack{Seq: a.seq, ValidMs: uint64(max(a.valid, 0) / time.Millisecond)},
	}}
}
