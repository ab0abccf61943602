package main

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/nameward/nameward/plugin/stream"
)

// dnsSession is the enforcer's stream as CoreDNS sees it.
type dnsSession struct {
	stream.Names_SessionServer
	subscribed chan *stream.Subscription
	acks       chan *stream.Ack
	seq        uint64
}

type dnsServer struct {
	stream.UnimplementedNamesServer
	sessions chan *dnsSession
}

func (d *dnsServer) Session(st stream.Names_SessionServer) error {
	if _, err := st.Recv(); err != nil {
		return err
	}
	welcome := &stream.Welcome{Version: stream.Version, Instance: "test"}
	if err := st.Send(&stream.ServerMessage{Message: &stream.ServerMessage_Welcome{Welcome: welcome}}); err != nil {
		return err
	}
	s := &dnsSession{Names_SessionServer: st, subscribed: make(chan *stream.Subscription, 64), acks: make(chan *stream.Ack, 64)}
	d.sessions <- s
	for {
		m, err := st.Recv()
		switch {
		case err != nil:
			return err
		case m.GetSubscription() != nil:
			s.subscribed <- m.GetSubscription()
		case m.GetAck() != nil:
			s.acks <- m.GetAck()
		}
	}
}

// serveDNS plays CoreDNS until the test ends.
func (s *scene) serveDNS() {
	s.tb.Helper()
	l, err := net.Listen("unix", s.path("dns.sock"))
	check(s.tb, err)
	server := grpc.NewServer()
	stream.RegisterNamesServer(server, &dnsServer{sessions: s.sessions})
	ended := make(chan struct{})
	go func() { defer close(ended); server.Serve(l) }()
	s.tb.Cleanup(func() { server.Stop(); <-ended })
}

// accept waits for the enforcer's session and its watches of the pod.
func (s *scene) accept() *dnsSession {
	s.tb.Helper()
	for {
		select {
		case session := <-s.sessions:
			if session.awaitWatch(s.tb) {
				return session
			}
		case <-time.After(patience):
			s.tb.Fatalf("no session\n%s", s.log.String())
		}
	}
}

func (d *dnsSession) awaitWatch(tb testing.TB) bool {
	tb.Helper()
	for {
		select {
		case sub := <-d.subscribed:
			if len(sub.GetWatches()) > 0 {
				return true
			}
		case <-d.Context().Done():
			return false
		case <-time.After(patience):
			tb.Fatal("the pod is not watched")
		}
	}
}

// teach tells the enforcer of an answer for 30 s and waits for its acknowledgement.
func (d *dnsSession) teach(tb testing.TB, client netip.Addr, name string, addr netip.Addr) *stream.Ack {
	tb.Helper()
	return d.teachFor(tb, client, name, addr, 30)
}

// teachFor is teach with another TTL, in seconds.
func (d *dnsSession) teachFor(tb testing.TB, client netip.Addr, name string, addr netip.Addr, ttl uint32) *stream.Ack {
	tb.Helper()
	d.seq++
	check(tb, d.Send(&stream.ServerMessage{Message: &stream.ServerMessage_Learned{Learned: &stream.Learned{
		Seq: d.seq, Client: client.AsSlice(), Name: name,
		Addresses: []*stream.Address{{Ip: addr.AsSlice(), Ttl: ttl}},
	}}}))
	select {
	case ack := <-d.acks:
		return ack
	case <-time.After(patience):
		tb.Fatal("no acknowledgement")
		return nil
	}
}
