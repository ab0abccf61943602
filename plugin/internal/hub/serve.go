package hub

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/nameward/nameward/plugin/stream"
)

// Session implements stream.NamesServer: one call is one enforcer.
func (h *Hub) Session(conn stream.Names_SessionServer) error {
	hello, err := receiveHello(conn)
	if err != nil {
		h.stats.Refused.Add(1)
		h.log.Warningf("refused an enforcer: %s", status.Convert(err).Message())
		return err
	}
	s := newSession(h, hello.GetNode())
	if err := h.admit(s, hello); err != nil {
		return err
	}
	h.log.Infof("enforcer of node %s connected", s.node)
	welcome := &stream.Welcome{Version: stream.Version, Instance: instance}
	err = conn.Send(&stream.ServerMessage{Message: &stream.ServerMessage_Welcome{Welcome: welcome}})
	if err == nil {
		s.out = conn
		// The receiver and a sender end with the stream, which returning from here
		// ends: only that unblocks a Send to a peer that does not read.
		go s.receive(conn)
		select {
		case <-s.done:
		case <-conn.Context().Done():
		}
		err = conn.Context().Err()
	}
	s.end(err)
	h.dismiss(s)
	h.log.Infof("enforcer of node %s disconnected: %s", s.node, farewell(s.cause))
	return s.cause
}

func farewell(cause error) string {
	if cause == nil {
		return "it closed the stream"
	}
	return status.Convert(cause).Message()
}

// instance names this process to enforcers.
var instance = func() string {
	host, err := os.Hostname()
	if err != nil {
		return fmt.Sprintf("process %d", os.Getpid())
	}
	return host
}()

// receiveHello bounds the wait: a silent peer must not cost a stream for long.
func receiveHello(conn stream.Names_SessionServer) (*stream.Hello, error) {
	type result struct {
		m   *stream.ClientMessage
		err error
	}
	first := make(chan result, 1)
	go func() {
		m, err := conn.Recv()
		first <- result{m, err}
	}()
	bound := time.NewTimer(stream.HelloTimeout)
	defer bound.Stop()
	select {
	case <-bound.C:
		return nil, status.Errorf(codes.DeadlineExceeded, "no Hello within %v", stream.HelloTimeout)
	case r := <-first:
		if r.err != nil {
			return nil, r.err
		}
		return checkHello(r.m.GetHello())
	}
}

func checkHello(hello *stream.Hello) (*stream.Hello, error) {
	switch {
	case hello == nil:
		return nil, status.Error(codes.InvalidArgument, "the first message must be Hello")
	case hello.GetVersion() != stream.Version:
		return nil, status.Errorf(codes.FailedPrecondition,
			"enforcer of node %q speaks protocol version %d, this plugin %d", hello.GetNode(), hello.GetVersion(), stream.Version)
	case hello.GetNode() == "":
		return nil, status.Error(codes.InvalidArgument, "Hello.node is empty; want the node's name")
	case len(hello.GetNodeAddresses()) > stream.MaxNodeAddresses:
		return nil, status.Errorf(codes.InvalidArgument, "Hello.node_addresses has %d entries; want at most %d",
			len(hello.GetNodeAddresses()), stream.MaxNodeAddresses)
	}
	return hello, nil
}

func (h *Hub) admit(s *session, hello *stream.Hello) error {
	addrs, err := stream.ParseAddresses(hello.GetNodeAddresses())
	if err != nil {
		return status.Errorf(codes.InvalidArgument, "Hello.node_addresses: %v", err)
	}
	s.mark = &watch{session: s, node: true, addresses: addrs}
	changes := make([]change, len(addrs))
	for i, addr := range addrs {
		changes[i] = change{addr: addr, new: s.mark}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions[s] = true
	h.directory.apply(append(changes, h.expire()...))
	return nil
}

func (h *Hub) dismiss(s *session) {
	changes := make([]change, len(s.mark.addresses))
	for i, addr := range s.mark.addresses {
		changes[i] = change{addr: addr, old: s.mark}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sessions, s)
	h.rewatch(s, nil, append(changes, h.keep(s)...))
}

// receive is the receiver.
func (s *session) receive(conn stream.Names_SessionServer) {
	for {
		m, err := conn.Recv()
		if errors.Is(err, io.EOF) {
			s.end(nil)
			return
		}
		if err == nil {
			err = s.apply(m)
		}
		if err != nil {
			s.end(err)
			return
		}
	}
}

func (s *session) apply(m *stream.ClientMessage) error {
	switch m := m.GetMessage().(type) {
	case *stream.ClientMessage_Ack:
		s.acknowledge(m.Ack.GetSeq(), milliseconds(m.Ack.GetValidMs()))
		return nil
	case *stream.ClientMessage_Subscription:
		return s.subscribe(m.Subscription)
	case *stream.ClientMessage_Hello:
		return status.Error(codes.InvalidArgument, "a second Hello")
	default:
		// A newer enforcer's message; the version promises that it may be ignored.
		return nil
	}
}

// milliseconds bounds what the peer says to a year, far from any overflow.
func milliseconds(ms uint64) time.Duration {
	const year = 365 * 24 * time.Hour
	return time.Duration(min(ms, uint64(year/time.Millisecond))) * time.Millisecond
}
