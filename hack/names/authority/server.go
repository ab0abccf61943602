// Package authority is a DNS server that answers wrongly on purpose: each name
// has a Script, which may send what no decent server would, byte for byte, late,
// twice or never. It knows the DNS protocol and must not know nameward, policies
// or what anybody expects of an answer.
package authority

import (
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Query is a question as it came in.
type Query struct {
	// Message is the whole query; it has one question.
	Message *dns.Msg
	// Nth counts the queries for this name and type, from 0.
	Nth int
	// TCP says that it came over TCP.
	TCP bool
}

// Question is the one that the query asks.
func (q Query) Question() dns.Question { return q.Message.Question[0] }

// Reply is one message to send back.
type Reply struct {
	// After is how long to wait after the query.
	After time.Duration
	// Message is sent unless there is Wire. Over UDP it is cut to what the
	// client takes, as RFC 2181, 9, and RFC 6891, 6.2.5, have it.
	Message *dns.Msg
	// Wire is sent as it is.
	Wire []byte
}

// Script says what is sent in answer to a query; nothing, if it returns none.
// It is called for one query at a time.
type Script func(Query) []Reply

// Server owns its sockets. What it has no Script for does not exist (NXDOMAIN).
type Server struct {
	servers []*dns.Server
	// late ends replies that still wait when the server stops.
	late chan struct{}
	all  sync.WaitGroup

	mu      sync.Mutex
	scripts map[string]Script    // by lower-case name with its last dot
	asked   map[dns.Question]int // by lower-case name
}

// Serve answers on both sockets, which it owns from now on, by these scripts,
// whose keys are names with their last dot. It returns when it listens.
func Serve(packets net.PacketConn, streams net.Listener, scripts map[string]Script) *Server {
	s := &Server{late: make(chan struct{}), scripts: make(map[string]Script), asked: make(map[dns.Question]int)}
	for name, script := range scripts {
		s.scripts[strings.ToLower(name)] = script
	}
	s.servers = []*dns.Server{{PacketConn: packets}, {Listener: streams}}
	for i, server := range s.servers {
		server.Handler = dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) { s.answer(w, query, i == 1) })
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		s.all.Go(func() { _ = server.ActivateAndServe() })
		<-started
	}
	return s
}

// Stop closes the sockets and returns when nothing of the server runs any more.
func (s *Server) Stop() error {
	close(s.late)
	err := errors.Join(s.servers[0].Shutdown(), s.servers[1].Shutdown())
	s.all.Wait()
	return err
}

// answer plays the script. It runs on a goroutine of the query's own.
func (s *Server) answer(w dns.ResponseWriter, query *dns.Msg, tcp bool) {
	if len(query.Question) != 1 {
		_ = w.WriteMsg(new(dns.Msg).SetRcode(query, dns.RcodeFormatError))
		return
	}
	began := time.Now()
	for _, reply := range s.play(query, tcp) {
		select {
		case <-s.late:
			return
		case <-time.After(time.Until(began.Add(reply.After))):
		}
		if reply.Wire != nil {
			_, _ = w.Write(reply.Wire)
			continue
		}
		if !tcp {
			reply.Message.Truncate(udpSize(query))
		}
		reply.Message.Compress = true
		_ = w.WriteMsg(reply.Message)
	}
}

func (s *Server) play(query *dns.Msg, tcp bool) []Reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	question := query.Question[0]
	question.Name = strings.ToLower(question.Name)
	script := s.scripts[question.Name]
	if script == nil {
		script = Fails(dns.RcodeNameError)
	}
	nth := s.asked[question]
	s.asked[question]++
	return script(Query{Message: query, Nth: nth, TCP: tcp})
}

func udpSize(query *dns.Msg) int {
	if opt := query.IsEdns0(); opt != nil {
		return max(dns.MinMsgSize, int(opt.UDPSize()))
	}
	return dns.MinMsgSize
}
