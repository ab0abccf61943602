package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"github.com/nameward/nameward/hack/demo/scene"
)

// asker asks one DNS server over UDP or TCP from one network namespace, over one socket, so
// that what is timed is the server and not the making of sockets. It has one
// user at a time.
type asker struct {
	conn *dns.Conn
	buf  [dns.MaxMsgSize]byte
}

func newAsker(in *scene.Netspace, network string, server netip.AddrPort) (a *asker, err error) {
	a = new(asker)
	err = in.Do(func() error {
		conn, err := net.Dial(network, server.String())
		a.conn = &dns.Conn{Conn: conn, UDPSize: dns.MaxMsgSize}
		return err
	})
	return a, err
}

// askFrom asks once from an address of this thread's network namespace.
func askFrom(from netip.Addr, server netip.AddrPort, name string) error {
	conn, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), net.UDPAddrFromAddrPort(server))
	if err != nil {
		return fmt.Errorf("ask from %s: %w", from, err)
	}
	defer conn.Close()
	a := asker{conn: &dns.Conn{Conn: conn, UDPSize: dns.MaxMsgSize}}
	_, err = a.ask(name)
	return err
}

// answerPatience is far beyond any hold that CoreDNS is configured with.
const answerPatience = 2 * time.Second

// ask returns how long the first answer for the name took. An answer without
// an IPv4 address is an error.
func (a *asker) ask(name string) (time.Duration, error) {
	query := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeA)
	wire, err := query.Pack()
	if err != nil {
		return 0, fmt.Errorf("write the question %s: %w", name, err)
	}
	if err := a.conn.SetDeadline(time.Now().Add(answerPatience)); err != nil {
		return 0, err
	}
	began := time.Now()
	if _, err := a.conn.Write(wire); err != nil {
		return 0, fmt.Errorf("ask for %s: %w", name, err)
	}
	for {
		n, err := a.conn.Read(a.buf[:])
		took := time.Since(began)
		if err != nil {
			return 0, fmt.Errorf("ask for %s: %w", name, err)
		}
		reply := new(dns.Msg)
		if err := reply.Unpack(a.buf[:n]); err != nil {
			return 0, fmt.Errorf("read the answer for %s: %w", name, err)
		}
		if reply.Id != query.Id {
			continue // late, to an earlier question
		}
		return took, addressed(reply, name)
	}
}

func addressed(reply *dns.Msg, name string) error {
	for _, record := range reply.Answer {
		if record.Header().Rrtype == dns.TypeA {
			return nil
		}
	}
	return fmt.Errorf("ask for %s: %s without an address", name, dns.RcodeToString[reply.Rcode])
}

// await asks until there is an answer: the server may not be up yet.
func (a *asker) await(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	return poll(ctx, func() error {
		_, err := a.ask(name)
		return err
	})
}

// poll repeats what does not work yet until it works or the context ends.
func poll(ctx context.Context, try func() error) error {
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
