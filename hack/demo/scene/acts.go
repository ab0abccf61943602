package scene

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

// Patience is how long a pod waits for a connection. It is shorter than the
// second after which TCP repeats a lost SYN, so that a connection that opens
// in time is one whose first SYN passed.
const Patience = 500 * time.Millisecond

// dnsPatience leaves room for an answer that is held back.
const dnsPatience = 400 * time.Millisecond

// ErrNoAddress says that DNS answered without an address.
var ErrNoAddress = errors.New("no address in the answer")

// ErrLookup says that a name got no address, so that no connection was tried.
var ErrLookup = errors.New("no usable DNS answer")

// Lookup asks the DNS server once, with no retry, for the name's address of
// the family and returns the first.
func (p *Pod) Lookup(ctx context.Context, server Dual, name string, f Family) (addr netip.Addr, err error) {
	err = p.net.Do(func() error {
		addr, err = Ask(ctx, netip.AddrPortFrom(server.Of(f), dnsPort), name, f, dnsPatience)
		return err
	})
	return addr, err
}

// Connect opens a TCP connection without a lookup. One SYN is all it sends.
func (p *Pod) Connect(ctx context.Context, to netip.AddrPort) (c *Conn, err error) {
	err = p.net.Do(func() error {
		c, err = connectTo(ctx, to)
		return err
	})
	return c, err
}

// LookupAndConnect sends the SYN on the thread that reads the DNS answer, so
// that as little time as possible lies between the two.
func (p *Pod) LookupAndConnect(ctx context.Context, server Dual, name string, port uint16, f Family) (c *Conn, err error) {
	err = p.net.Do(func() error {
		addr, err := Ask(ctx, netip.AddrPortFrom(server.Of(f), dnsPort), name, f, dnsPatience)
		if err != nil {
			return fmt.Errorf("%w for %s: %w", ErrLookup, name, err)
		}
		c, err = connectTo(ctx, netip.AddrPortFrom(addr, port))
		return err
	})
	return c, err
}

// Ask asks the DNS server once, from the thread's network namespace, for the
// name's address of the family and returns the first. ErrNoAddress is an answer.
func Ask(ctx context.Context, server netip.AddrPort, name string, f Family, patience time.Duration) (netip.Addr, error) {
	kind := dns.TypeA
	if f == V6 {
		kind = dns.TypeAAAA
	}
	query := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	client := &dns.Client{Net: "udp", Timeout: patience}
	reply, _, err := client.ExchangeContext(ctx, query, server.String())
	if err != nil {
		return netip.Addr{}, err
	}
	if reply.Rcode != dns.RcodeSuccess {
		return netip.Addr{}, fmt.Errorf("%w: %s", ErrNoAddress, dns.RcodeToString[reply.Rcode])
	}
	for _, record := range reply.Answer {
		switch record := record.(type) {
		case *dns.A:
			addr, _ := netip.AddrFromSlice(record.A.To4())
			return addr, nil
		case *dns.AAAA:
			addr, _ := netip.AddrFromSlice(record.AAAA)
			return addr, nil
		}
	}
	return netip.Addr{}, ErrNoAddress
}

func connectTo(ctx context.Context, to netip.AddrPort) (*Conn, error) {
	dialer := net.Dialer{Timeout: Patience, KeepAlive: -1}
	c, err := dialer.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	return &Conn{tcp: c.(*net.TCPConn), reader: bufio.NewReader(c)}, nil
}

// Blocked says whether the error is what a silently dropped packet looks like
// from inside a pod: nothing came back in time. Any other error is the scene's.
func Blocked(err error) bool {
	var slow net.Error
	return errors.As(err, &slow) && slow.Timeout()
}

// Conn is an open connection of a pod. Safe for one user at a time, but Close
// may be called at any moment.
type Conn struct {
	tcp    *net.TCPConn
	reader *bufio.Reader
	closed sync.Once
}

// Get requests a page over the connection, which stays open.
func (c *Conn) Get(host string, patience time.Duration) error {
	if err := c.tcp.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	request, err := http.NewRequest(http.MethodGet, "http://"+host+"/", nil)
	if err != nil {
		return err
	}
	if err := request.Write(c.tcp); err != nil {
		return err
	}
	response, err := http.ReadResponse(c.reader, request)
	if err != nil {
		return err
	}
	if err := discard(response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("get http://%s/: %s", host, response.Status)
	}
	return nil
}

// Retransmits is how many segments the pod had to send again so far.
func (c *Conn) Retransmits() (uint32, error) {
	raw, err := c.tcp.SyscallConn()
	if err != nil {
		return 0, err
	}
	var info *unix.TCPInfo
	var failed error
	err = raw.Control(func(fd uintptr) {
		info, failed = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	})
	if err := errors.Join(err, failed); err != nil {
		return 0, fmt.Errorf("read TCP statistics: %w", err)
	}
	return info.Total_retrans, nil
}

// Close ends the connection at once: a reset needs no answer, so that nothing
// of it is left to be counted later.
func (c *Conn) Close() error {
	var err error
	c.closed.Do(func() { err = errors.Join(c.tcp.SetLinger(0), c.tcp.Close()) })
	return err
}
