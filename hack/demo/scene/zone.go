package scene

import (
	"errors"
	"net"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// Zone is a DNS server's knowledge: where a name leads, for how many seconds,
// and whether there is one. Names come in lower case, without a final dot.
type Zone func(name string) (at Dual, ttl uint32, known bool)

// Serve answers by the zone, over UDP and TCP, on port 53 of all addresses of
// the network namespace until the returned function is called.
func (z Zone) Serve(n *Netspace) (stop func() error, err error) {
	packets, streams, err := n.ListenDNS()
	if err != nil {
		return nil, err
	}
	servers := []*dns.Server{{PacketConn: packets}, {Listener: streams}}
	for _, server := range servers {
		server.Handler = z
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go server.ActivateAndServe()
		<-started
	}
	return func() error { return errors.Join(servers[0].Shutdown(), servers[1].Shutdown()) }, nil
}

// ListenDNS opens the sockets of a DNS server on all addresses of the network
// namespace.
func (n *Netspace) ListenDNS() (net.PacketConn, net.Listener, error) {
	at := net.JoinHostPort("", strconv.Itoa(dnsPort))
	packets, err := n.ListenPacket("udp", at)
	if err != nil {
		return nil, nil, err
	}
	if udp, ok := packets.(*net.UDPConn); ok {
		_ = udp.SetReadBuffer(4 << 20) // as much as the kernel lets us have
	}
	streams, err := n.Listen("tcp", at)
	if err != nil {
		return nil, nil, errors.Join(err, packets.Close())
	}
	return packets, streams, nil
}

// ServeDNS answers one query: with the addresses of a known name, or NXDOMAIN.
func (z Zone) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	reply := new(dns.Msg).SetReply(query)
	reply.Authoritative = true
	defer func() { _ = w.WriteMsg(reply) }() // a client that has gone gets none
	if len(query.Question) != 1 {
		reply.Rcode = dns.RcodeFormatError
		return
	}
	question := query.Question[0]
	address, ttl, known := z(strings.ToLower(strings.TrimSuffix(question.Name, ".")))
	if !known {
		reply.Rcode = dns.RcodeNameError
		return
	}
	header := dns.RR_Header{Name: question.Name, Rrtype: question.Qtype, Class: dns.ClassINET, Ttl: ttl}
	switch question.Qtype {
	case dns.TypeA:
		reply.Answer = []dns.RR{&dns.A{Hdr: header, A: address.V4.AsSlice()}}
	case dns.TypeAAAA:
		reply.Answer = []dns.RR{&dns.AAAA{Hdr: header, AAAA: address.V6.AsSlice()}}
	}
}
