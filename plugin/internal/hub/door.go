package hub

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// maxVisits bounds the connections on which nobody has been admitted yet. It
	// has room for a cluster's enforcers when all of them come back at once.
	maxVisits = 8192
	// maxVisitsFrom bounds those of one source, so that one pod cannot keep the
	// enforcers of all nodes out.
	maxVisitsFrom = 64
	// visitTimeout is how long a peer may take from connecting to being admitted:
	// TLS, a token's review, and Hello.
	visitTimeout = handshakeTimeout + reviewTimeout + 10*time.Second
	// handshakeTimeout bounds TLS and HTTP/2's greeting.
	handshakeTimeout = 5 * time.Second
	// farewellTime is what a refused peer has to read why.
	farewellTime = 2 * time.Second
)

// door admits connections to a TCP listener and shows them out again: those
// that prove nothing cost a bounded number of goroutines for a bounded time.
type door struct {
	net.Listener
	hub      *Hub
	endpoint Endpoint

	mu     sync.Mutex
	visits int                // guarded by mu
	from   map[netip.Addr]int // visits by source; guarded by mu
}

// visit is a connection until somebody is admitted on it.
type visit struct {
	net.Conn
	door   *door
	source netip.Addr
	bound  *time.Timer
	once   sync.Once
}

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		v, err := d.welcome(conn)
		if err == nil {
			return v, nil
		}
		d.hub.refuse(ReasonLimit, "refused a peer on %s: %s: %v", d.endpoint, conn.RemoteAddr(), err)
		conn.Close()
	}
}

func (d *door) welcome(conn net.Conn) (*visit, error) {
	source := sourceOf(conn)
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.visits >= maxVisits:
		return nil, fmt.Errorf("%d connections have not proven anything yet; want at most that", d.visits)
	case d.from[source] >= maxVisitsFrom:
		return nil, fmt.Errorf("%d connections from there have not proven anything yet; want at most that", d.from[source])
	}
	d.visits++
	d.from[source]++
	v := &visit{Conn: conn, door: d, source: source}
	v.bound = time.AfterFunc(visitTimeout, func() { v.Conn.Close() })
	return v, nil
}

// sourceOf is a network of 64 bits for IPv6, where every host has that many
// addresses to come from.
func sourceOf(conn net.Conn) netip.Addr {
	from, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	addr := from.Addr().Unmap().WithZone("")
	if addr.Is6() {
		prefix, _ := addr.Prefix(64)
		return prefix.Addr()
	}
	return addr
}

// admitted takes the connection off the door's account.
func (v *visit) admitted() {
	v.once.Do(func() {
		v.bound.Stop()
		d := v.door
		d.mu.Lock()
		defer d.mu.Unlock()
		d.visits--
		if d.from[v.source]--; d.from[v.source] == 0 {
			delete(d.from, v.source)
		}
	})
}

// refused gives the peer the time to read why; it gets no second try on the
// same connection.
func (v *visit) refused() { v.bound.Reset(farewellTime) }

// Close implements net.Conn.
func (v *visit) Close() error {
	v.admitted()
	return v.Conn.Close()
}
