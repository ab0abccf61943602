package dns

import (
	"context"
	"crypto/tls"
	"math/rand/v2"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/nameward/nameward/plugin/stream"
)

const patience = 10 * time.Second

// server is a real gRPC server of package stream, whose every session is driven
// by the test.
type server struct {
	stream.UnimplementedNamesServer

	version  uint32
	instance string
	sessions chan *served
	grpc     *grpc.Server
	lis      net.Listener
	serving  sync.WaitGroup
}

// served is one session as the server sees it.
type served struct {
	tb    testing.TB
	hello *stream.Hello
	recv  chan *stream.ClientMessage
	send  grpc.BidiStreamingServer[stream.ClientMessage, stream.ServerMessage]
	end   chan error
	gone  <-chan struct{}
}

func (s *server) Session(st grpc.BidiStreamingServer[stream.ClientMessage, stream.ServerMessage]) error {
	first, err := st.Recv()
	if err != nil {
		return err
	}
	welcome := &stream.Welcome{Version: s.version, Instance: s.instance}
	if err := st.Send(&stream.ServerMessage{Message: &stream.ServerMessage_Welcome{Welcome: welcome}}); err != nil {
		return err
	}
	sess := &served{
		hello: first.GetHello(), recv: make(chan *stream.ClientMessage, 10000), send: st,
		end: make(chan error, 1), gone: st.Context().Done(),
	}
	go func() {
		defer close(sess.recv)
		for {
			m, err := st.Recv()
			if err != nil {
				return
			}
			sess.recv <- m
		}
	}()
	s.sessions <- sess
	select {
	case err := <-sess.end:
		return err
	case <-sess.gone:
		return nil
	}
}

// listen serves on a listener until the test ends or stop is called.
func listen(tb testing.TB, lis net.Listener, s *server, config *tls.Config) *server {
	tb.Helper()
	if s == nil {
		s = &server{version: stream.Version, instance: "replica-1"}
	}
	s.sessions, s.lis = make(chan *served, 16), lis
	opts := []grpc.ServerOption{}
	if config != nil {
		opts = append(opts, grpc.Creds(credentials.NewTLS(config)))
	}
	s.grpc = grpc.NewServer(opts...)
	stream.RegisterNamesServer(s.grpc, s)
	s.serving.Go(func() {
		if err := s.grpc.Serve(lis); err != nil {
			tb.Errorf("serve: %v", err)
		}
	})
	tb.Cleanup(s.stop)
	return s
}

func (s *server) stop() {
	s.grpc.Stop()
	s.serving.Wait()
}

func listenUnix(tb testing.TB, path string, s *server) *server {
	tb.Helper()
	lis, err := net.Listen("unix", path)
	if err != nil {
		tb.Fatal(err)
	}
	return listen(tb, lis, s, nil)
}

// accept waits for the next session.
func (s *server) accept(tb testing.TB) *served {
	tb.Helper()
	select {
	case sess := <-s.sessions:
		sess.tb = tb
		return sess
	case <-time.After(patience):
		tb.Fatal("no session arrived")
		return nil
	}
}

// next waits for the client's next message.
func (s *served) next() *stream.ClientMessage {
	s.tb.Helper()
	select {
	case m, ok := <-s.recv:
		if !ok {
			s.tb.Fatal("session ended instead of a message")
		}
		return m
	case <-time.After(patience):
		s.tb.Fatal("no message arrived")
		return nil
	}
}

func (s *served) learned(l *stream.Learned) {
	s.tb.Helper()
	if err := s.send.Send(&stream.ServerMessage{Message: &stream.ServerMessage_Learned{Learned: l}}); err != nil {
		s.tb.Fatal(err)
	}
}

// start runs a client that asks for watches from its first session on, until
// the test ends.
func start(tb testing.TB, cfg Config, watches ...Watch) *Client {
	tb.Helper()
	c, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	c.Subscribe(watches)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { c.Run(ctx) })
	tb.Cleanup(func() { cancel(); running.Wait() })
	return c
}

func socketPath(tb testing.TB) (string, Target) {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "dns.sock")
	t, err := ParseTarget("unix://" + path)
	if err != nil {
		tb.Fatal(err)
	}
	return path, t
}

// freePort returns a port that none of the hosts listens on. It is below those that
// the kernel chooses itself (net.ipv4.ip_local_port_range, from 32768), so that
// nobody gets it by chance before the test does.
func freePort(tb testing.TB, hosts ...string) string {
	tb.Helper()
	for range 100 {
		port := strconv.Itoa(20000 + rand.IntN(12000))
		if !slices.ContainsFunc(hosts, func(host string) bool { return taken(net.JoinHostPort(host, port)) }) {
			return port
		}
	}
	tb.Fatalf("no port is free at all of %v", hosts)
	return ""
}

func taken(address string) bool {
	l, err := net.Listen("tcp", address)
	return err != nil || l.Close() != nil
}
