package dns

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/nameward/nameward/plugin/stream"
)

// session keeps a stream with one CoreDNS process: it dials, greets,
// subscribes, and starts over when the stream ends.
type session struct {
	client  *Client
	target  Target
	address string // path or IP:port

	mu    sync.Mutex
	state State
	// refused is why the last connection could not be made: gRPC wraps it
	// in words about its own insides.
	refused error
}

// session registers a session; run must be called on it and deregisters it.
func (c *Client) session(t Target, address string) *session {
	s := &session{client: c, target: t, address: address, state: State{Target: t, Address: address}}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions[s] = struct{}{}
	delete(c.lookups, t)
	return s
}

// State returns what the session is doing.
func (s *session) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

func (s *session) set(connected bool, instance string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Connected, s.state.Instance, s.state.Err = connected, instance, err
}

// steady is how long a stream must have lived for its loss to count as a first
// failure instead of one more.
const steady = lastDelay

func (s *session) run(ctx context.Context) {
	defer func() {
		s.client.mu.Lock()
		defer s.client.mu.Unlock()
		delete(s.client.sessions, s)
	}()
	log := s.client.cfg.Log.With("target", s.target.String(), "address", s.address)
	appeared, stop := s.socketAppears()
	defer stop()
	for attempt := 0; ; attempt++ {
		began := time.Now()
		err := s.once(ctx)
		was := s.State().Connected
		if ctx.Err() != nil {
			return
		}
		s.set(false, "", err)
		if was {
			log.Warn("lost CoreDNS", "error", err)
		} else {
			log.Debug("cannot reach CoreDNS", "error", err)
		}
		if time.Since(began) >= steady {
			attempt = 0
		}
		timer := time.NewTimer(delay(attempt))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-appeared:
			attempt = -1
		case <-timer.C:
		}
		timer.Stop()
	}
}

// once holds one stream after another, each begun before the last one ends, and
// says why none is left. The first may fail to begin.
func (s *session) once(parent context.Context) error {
	var retiring sync.WaitGroup
	defer retiring.Wait()
	l, err := s.open(parent)
	for err == nil {
		var next *link
		if next, err = s.hold(parent, l, &retiring); next == nil {
			return err
		}
		l = next
	}
	return err
}

// open makes one stream, as far as Welcome.
func (s *session) open(parent context.Context) (*link, error) {
	ctx, cancel := context.WithCancelCause(parent)
	s.note(nil)
	conn, err := s.dial()
	if err != nil {
		cancel(nil)
		return nil, err
	}
	l := &link{session: s, conn: conn, ctx: ctx, acks: make(chan ack, maxUnsentAcks), cancel: cancel}
	late := time.AfterFunc(greetTimeout, func() { cancel(errNoWelcome) })
	defer late.Stop()
	var instance string
	if l.stream, err = stream.NewNamesClient(conn).Session(ctx); err == nil {
		instance, err = l.greet()
	}
	if err == nil && !late.Stop() {
		err = errNoWelcome
	}
	if err != nil {
		err = s.reason(ctx, err)
		l.close()
		return nil, err
	}
	s.set(true, instance, nil)
	s.client.cfg.Log.Info("connected to CoreDNS", "target", s.target.String(), "address", s.address, "instance", instance)
	return l, nil
}

// hold serves a stream until it ends, or until its successor has begun, which
// it returns. The old stream goes on for a moment then, so that there is none in
// which CoreDNS lets an answer pass unheld.
func (s *session) hold(parent context.Context, l *link, retiring *sync.WaitGroup) (next *link, err error) {
	ended := make(chan error, 1)
	retiring.Go(func() {
		defer l.close()
		ended <- s.reason(l.ctx, l.serve(l.ctx))
	})
	renew := s.renewal()
	defer renew.Stop()
	for {
		select {
		case err := <-ended:
			return nil, err
		case <-renew.C:
		}
		next, err := s.open(parent)
		if err == nil {
			time.AfterFunc(s.client.cfg.handover, func() { l.cancel(errRenewed) })
			return next, nil
		}
		s.client.cfg.Log.Debug("cannot renew the session with CoreDNS yet", "target", s.target.String(), "address", s.address, "error", err)
		s.note(nil)
		renew.Reset(delay(maxAttempt))
	}
}

// reason prefers why a connection was refused, or why we ended a stream, to
// the error that came of it.
func (s *session) reason(ctx context.Context, err error) error {
	s.mu.Lock()
	refused := s.refused
	s.mu.Unlock()
	if refused != nil {
		return refused
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	if st, ok := status.FromError(err); ok && err != nil {
		return errors.New(st.Message())
	}
	return err
}

// window bounds what CoreDNS may send ahead of what is read, in bytes: room for
// a hundred answers of a hundred addresses. gRPC would otherwise measure the line
// with a ping, and wake both sides once more, for each answer.
const window = 256 << 10

// dial prepares one connection, with certificates as they are now.
func (s *session) dial() (*grpc.ClientConn, error) {
	options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if !s.target.Unix() {
		var err error
		if options, err = s.client.cfg.Credentials.dial(s.target.host); err != nil {
			return nil, err
		}
	}
	return grpc.NewClient("passthrough:///"+s.address, append(options,
		grpc.WithContextDialer(s.connect),
		grpc.WithDisableServiceConfig(),
		grpc.WithStaticStreamWindowSize(window),
		grpc.WithStaticConnWindowSize(window),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.DefaultConfig, MinConnectTimeout: greetTimeout}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: stream.KeepaliveTime, Timeout: stream.KeepaliveTimeout}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(stream.MaxMessage), grpc.MaxCallSendMsgSize(stream.MaxMessage)))...)
}

// note remembers why a connection could not be made.
func (s *session) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = err
}

func (s *session) connect(ctx context.Context, _ string) (net.Conn, error) {
	conn, err := s.reach(ctx)
	if err != nil && ctx.Err() == nil {
		s.note(err)
	}
	return conn, err
}

func (s *session) reach(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	if !s.target.Unix() {
		return d.DialContext(ctx, "tcp", s.address)
	}
	conn, err := d.DialContext(ctx, "unix", s.address)
	if err != nil {
		return nil, err
	}
	if err := authenticate(conn, s.address); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}
