package hub

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/nameward/nameward/plugin/stream"
)

// Session implements stream.NamesServer: one call is one enforcer.
func (h *Hub) Session(conn stream.Names_SessionServer) error {
	s, err := h.greet(conn)
	depart(conn.Context(), err == nil)
	if err != nil {
		h.refuse(reasonOf(err), "refused an enforcer%s: %s", origin(conn.Context()), status.Convert(err).Message())
		return err
	}
	h.log.Infof("enforcer of node %s connected", s.node)
	err = s.serve(conn)
	s.end(err)
	h.dismiss(s)
	h.log.Infof("enforcer of node %s disconnected: %s", s.node, farewell(s.cause))
	return s.cause
}

// greet finds out who is there and enters it into the book.
func (h *Hub) greet(conn stream.Names_SessionServer) (*session, error) {
	id, err := h.authenticate(conn.Context())
	if err != nil {
		return nil, err
	}
	hello, err := receiveHello(conn)
	if err != nil {
		return nil, err
	}
	if err := id.allows(hello.GetNode()); err != nil {
		return nil, err
	}
	s := newSession(h, hello.GetNode())
	s.identity, s.pods = id, podsOf(conn.Context())
	return s, h.admit(s, hello)
}

// serve runs the session until it ends, and says why.
func (s *session) serve(conn stream.Names_SessionServer) error {
	welcome := &stream.Welcome{Version: stream.Version, Instance: instance}
	err := conn.Send(&stream.ServerMessage{Message: &stream.ServerMessage_Welcome{Welcome: welcome}})
	if err != nil {
		return err
	}
	s.out = conn
	// The receiver and a sender end with the stream, which returning from here
	// ends: only that unblocks a Send to a peer that does not read.
	go s.receive(conn)
	if s.pods != nil {
		go s.verify()
	}
	over, stop := s.identity.over()
	defer stop()
	select {
	case <-s.done:
	case <-conn.Context().Done():
	case <-over:
		return status.Errorf(codes.Unauthenticated, "the %s with which the session began has had its time; connect anew", s.identity.proof)
	}
	return conn.Context().Err()
}

// reasonOf classes a refusal by its status.
func reasonOf(err error) Reason {
	switch status.Code(err) {
	case codes.Unauthenticated, codes.PermissionDenied:
		return ReasonIdentity
	case codes.Unavailable:
		return ReasonReview
	case codes.ResourceExhausted:
		return ReasonLimit
	default:
		return ReasonHello
	}
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

const (
	// maxSessions bounds the enforcers of one replica: 5,000 nodes, twice.
	maxSessions = 10000
	// maxNodeSessions bounds those of one node. While an enforcer is replaced, or
	// renews its session, there are two, and one more for each connection that
	// broke without a word.
	maxNodeSessions = 3
)

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
	if len(h.sessions) >= maxSessions {
		return status.Errorf(codes.ResourceExhausted, "%d enforcers are connected; want at most that", len(h.sessions))
	}
	h.makeRoom(s.node)
	h.sweep()
	h.sessions[s] = true
	h.nodes[s.node] = append(h.nodes[s.node], s)
	h.directory.apply(append(changes, h.expire()...))
	return nil
}

// makeRoom ends the oldest session of a node that has too many: of several, the
// newest is the one that surely lives. The caller holds h.mu.
func (h *Hub) makeRoom(node string) {
	alive := 0
	for _, s := range slices.Backward(h.nodes[node]) {
		if s.hasEnded() {
			continue
		}
		if alive++; alive >= maxNodeSessions {
			h.stats.Superseded.Add(1)
			s.end(status.Errorf(codes.Aborted, "node %s has %d newer sessions; run one enforcer on each node", node, maxNodeSessions))
		}
	}
}

func (h *Hub) dismiss(s *session) {
	changes := make([]change, len(s.mark.addresses))
	for i, addr := range s.mark.addresses {
		changes[i] = change{addr: addr, old: s.mark}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sessions, s)
	h.nodes[s.node] = slices.DeleteFunc(h.nodes[s.node], func(have *session) bool { return have == s })
	if len(h.nodes[s.node]) == 0 {
		delete(h.nodes, s.node)
	}
	s.unverified = nil
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
		if !s.pace.wait(s.done) {
			return nil
		}
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
