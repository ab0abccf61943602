package fleet

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/miekg/dns"

	"github.com/nameward/nameward/hack/demo/scene"
)

// nameTTL is in seconds: long enough for a leak to be tried while it lives.
const nameTTL = 60

// serveZone answers for every fresh name, over UDP and TCP, until the returned
// function is called.
func serveZone(n *scene.Netspace) (stop func() error, _ error) {
	at := fmt.Sprintf(":%d", dnsPort)
	packets, err := n.ListenPacket("udp", at)
	if err != nil {
		return nil, fmt.Errorf("listen for DNS outside: %w", err)
	}
	if udp, ok := packets.(*net.UDPConn); ok {
		_ = udp.SetReadBuffer(4 << 20) // as much as the kernel lets us have
	}
	streams, err := n.Listen("tcp", at)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen for DNS outside: %w", err), packets.Close())
	}
	servers := []*dns.Server{{PacketConn: packets}, {Listener: streams}}
	for _, server := range servers {
		server.Handler = dns.HandlerFunc(answer)
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go server.ActivateAndServe()
		<-started
	}
	return func() error { return errors.Join(servers[0].Shutdown(), servers[1].Shutdown()) }, nil
}

func answer(w dns.ResponseWriter, query *dns.Msg) {
	reply := new(dns.Msg).SetReply(query)
	reply.Authoritative = true
	if len(query.Question) != 1 {
		reply.Rcode = dns.RcodeFormatError
	} else if number, ok := numberOf(strings.TrimSuffix(query.Question[0].Name, ".")); !ok {
		reply.Rcode = dns.RcodeNameError
	} else {
		reply.Answer = records(query.Question[0], Address(number))
	}
	_ = w.WriteMsg(reply) // a client that has gone gets none
}

func records(q dns.Question, at scene.Dual) []dns.RR {
	header := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: nameTTL}
	switch q.Qtype {
	case dns.TypeA:
		return []dns.RR{&dns.A{Hdr: header, A: at.V4.AsSlice()}}
	case dns.TypeAAAA:
		return []dns.RR{&dns.AAAA{Hdr: header, AAAA: at.V6.AsSlice()}}
	}
	return nil
}
