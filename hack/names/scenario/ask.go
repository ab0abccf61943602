package scenario

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"github.com/nameward/nameward/hack/demo/scene"
)

// patience is how long a pod waits for an answer: less than the 5 seconds after
// which a stub resolver asks again (resolv.conf(5)), more than an answer that
// is late on purpose takes.
const patience = 3 * time.Second

// put asks once, on the calling thread, which is in the pod's network namespace.
func (a Ask) put(ctx context.Context) (*dns.Msg, error) {
	query := a.query()
	server := a.Of.address().V4
	if a.Type == dns.TypeAAAA {
		server = a.Of.address().V6
	}
	trust := &tls.Config{InsecureSkipVerify: true} // whose certificate it is proves nothing here
	switch a.By {
	case doh:
		return overHTTPS(ctx, query, server, trust)
	case dot:
		return exchange(ctx, &dns.Client{Net: "tcp-tls", TLSConfig: trust}, query, netip.AddrPortFrom(server, 853))
	case tcp:
		return exchange(ctx, &dns.Client{Net: "tcp"}, query, netip.AddrPortFrom(server, 53))
	default:
		return exchange(ctx, &dns.Client{Net: "udp"}, query, netip.AddrPortFrom(server, 53))
	}
}

func exchange(ctx context.Context, client *dns.Client, query *dns.Msg, server netip.AddrPort) (*dns.Msg, error) {
	client.Timeout = patience
	reply, _, err := client.ExchangeContext(ctx, query, server.String())
	return reply, err
}

func (a Ask) query() *dns.Msg {
	query := new(dns.Msg).SetQuestion(a.Name, a.Type)
	if a.Size > 0 || a.Secure || a.Padded {
		query.SetEdns0(max(a.Size, dns.MinMsgSize), a.Secure)
	}
	if a.Padded {
		opt := query.IsEdns0()
		opt.Option = append(opt.Option, &dns.EDNS0_PADDING{Padding: make([]byte, 64)})
	}
	return query
}

// overHTTPS is RFC 8484 by POST.
func overHTTPS(ctx context.Context, query *dns.Msg, server netip.Addr, trust *tls.Config) (*dns.Msg, error) {
	wire, err := query.Pack()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	// Dialled here: a goroutine of the transport's would not be in the pod.
	conn, err := (&tls.Dialer{Config: trust}).DialContext(ctx, "tcp", netip.AddrPortFrom(server, 443).String())
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		DialTLSContext:    func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		DisableKeepAlives: true,
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+server.String()+"/dns-query", bytes.NewReader(wire))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/dns-message")
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, dns.MaxMsgSize))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask over HTTPS: %s", response.Status)
	}
	reply := new(dns.Msg)
	return reply, reply.Unpack(body)
}

// saw writes what a client got the way the table has it.
func saw(reply *dns.Msg, err error) string {
	switch {
	case scene.Blocked(err):
		return "nothing"
	case err != nil:
		return "error: " + err.Error()
	}
	words := []string{dns.RcodeToString[reply.Rcode]}
	if reply.Truncated {
		words = append(words, "TC")
	}
	for _, rr := range reply.Answer {
		for _, addr := range inside(rr) {
			words = append(words, addr.String())
		}
	}
	return shorten(words)
}

// inside are the addresses that a record holds. One that came without data
// (RFC 2136, 2.4) holds none.
func inside(rr dns.RR) []netip.Addr {
	var ips []net.IP
	switch rr := rr.(type) {
	case *dns.A:
		ips = []net.IP{rr.A.To4()}
	case *dns.AAAA:
		ips = []net.IP{rr.AAAA}
	case *dns.HTTPS:
		ips = hints(rr.Value)
	case *dns.SVCB:
		ips = hints(rr.Value)
	}
	var addrs []netip.Addr
	for _, ip := range ips {
		if addr, ok := netip.AddrFromSlice(ip); ok {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

func hints(pairs []dns.SVCBKeyValue) []net.IP {
	var ips []net.IP
	for _, pair := range pairs {
		switch pair := pair.(type) {
		case *dns.SVCBIPv4Hint:
			for _, ip := range pair.Hint {
				ips = append(ips, ip.To4())
			}
		case *dns.SVCBIPv6Hint:
			ips = append(ips, pair.Hint...)
		}
	}
	return ips
}
