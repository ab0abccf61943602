package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/miekg/dns"

	"github.com/nameward/nameward/hack/demo/scene"
)

// rotor is an authoritative server like those of large object stores: a name
// has many addresses, and every answer has the next few of them. TTLs are 0,
// so that no cache stands before it.
type rotor struct {
	server *dns.Server
	mu     sync.Mutex
	given  map[string]int // addresses, by name
}

// rotorPort is on the loopback of the node, for TCP alone: whole answers do
// not fit into datagrams.
const (
	rotorPort = 5399
	rotorZone = "grow.example.net"
)

// rotorForward has CoreDNS ask it.
var rotorForward = fmt.Sprintf("    forward %s 127.0.0.1:%d {\n        force_tcp\n    }\n", rotorZone, rotorPort)

// rotorName is a name with so many addresses, each of them in an answer.
func rotorName(pool, each, nth int) string {
	return fmt.Sprintf("pool%d-each%d-nth%d.%s", pool, each, nth, rotorZone)
}

func newRotor(n *scene.Netspace) (*rotor, error) {
	l, err := n.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", rotorPort))
	if err != nil {
		return nil, fmt.Errorf("serve the rotating zone: %w", err)
	}
	r := &rotor{given: map[string]int{}}
	started := make(chan struct{})
	r.server = &dns.Server{Listener: l, Handler: dns.HandlerFunc(r.answer), NotifyStartedFunc: func() { close(started) }, MaxTCPQueries: -1}
	failed := make(chan error, 1)
	go func() { failed <- r.server.ActivateAndServe() }()
	select {
	case <-started:
		return r, nil
	case err := <-failed:
		return nil, fmt.Errorf("serve the rotating zone: %w", err)
	}
}

func (r *rotor) close() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // CoreDNS keeps its connections; they need not end first
	_ = r.server.ShutdownContext(ctx)
}

func (r *rotor) answer(w dns.ResponseWriter, query *dns.Msg) {
	reply := new(dns.Msg).SetReply(query)
	reply.Compress = true
	if err := r.fill(reply); err != nil {
		reply.Rcode = dns.RcodeNameError
	}
	_ = w.WriteMsg(reply)
}

var errNoName = errors.New("no name of the rotating zone")

func (r *rotor) fill(reply *dns.Msg) error {
	if len(reply.Question) != 1 || reply.Question[0].Qtype != dns.TypeA {
		return errNoName
	}
	asked := reply.Question[0].Name
	name := strings.ToLower(strings.TrimSuffix(asked, "."))
	var pool, each, nth int
	if _, err := fmt.Sscanf(name, "pool%d-each%d-nth%d."+rotorZone, &pool, &each, &nth); err != nil || pool < each || each < 1 {
		return errNoName
	}
	r.mu.Lock()
	first := r.given[name]
	r.given[name] += each
	r.mu.Unlock()
	for i := range each {
		at := (first + i) % pool
		reply.Answer = append(reply.Answer, &dns.A{A: net.IPv4(23, byte(nth), byte(at>>8), byte(at)),
			Hdr: dns.RR_Header{Name: asked, Rrtype: dns.TypeA, Class: dns.ClassINET}})
	}
	return nil
}
