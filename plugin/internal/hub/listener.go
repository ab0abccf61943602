package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"github.com/nameward/nameward/plugin/stream"
)

const (
	// maxHeaders bounds a request's metadata: a token and what gRPC adds.
	maxHeaders = 32 << 10
	// maxIdle bounds the life of a connection without a session.
	maxIdle = 10 * time.Second
)

// Endpoint is where enforcers connect.
type Endpoint struct {
	Network string // "unix" or "tcp"
	Address string // a path, or host:port
}

func (e Endpoint) String() string { return e.Network + "://" + e.Address }

// listener serves one endpoint for as long as anyone holds a lease on it.
type listener struct {
	endpoint Endpoint
	socket   net.Listener
	server   *grpc.Server
	failed   atomic.Bool
	over     chan struct{} // closed when the server has stopped accepting

	leases []*Lease               // oldest first; guarded by Hub.mu
	access atomic.Pointer[Access] // that of the newest lease; nil for unix
}

// Lease keeps an endpoint open. During a Corefile reload the old and the new
// instance each hold one.
type Lease struct {
	hub      *Hub
	listener *listener
	number   uint64
	access   *Access
}

// Open listens on an endpoint, or joins whoever in this process does already.
// The endpoint "tcp" needs access; "unix" takes none. Sessions that exist stay
// as they were admitted.
func (h *Hub) Open(e Endpoint, access *Access) (*Lease, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.listeners[e.String()]
	opened := l == nil
	if opened {
		socket, err := listen(e)
		if err != nil {
			return nil, err
		}
		if e.Network == "tcp" {
			socket = &door{Listener: socket, hub: h, endpoint: e, from: make(map[netip.Addr]int)}
		}
		l = &listener{endpoint: e, socket: socket, over: make(chan struct{})}
		l.server = h.newServer(l)
		h.listeners[e.String()] = l
	}
	h.leases++
	lease := &Lease{hub: h, listener: l, number: h.leases, access: access}
	l.leases = append(l.leases, lease)
	l.access.Store(access)
	if opened {
		go h.serve(l)
		go h.watchExpiry(l)
	}
	return lease, nil
}

// Addr is the address that the listener got.
func (l *Lease) Addr() net.Addr { return l.listener.socket.Addr() }

// Serving reports whether enforcers can connect.
func (l *Lease) Serving() bool { return !l.listener.failed.Load() }

// Release gives the lease back. The last one closes the listener and its
// streams, and waits for them. Releasing twice is harmless.
func (l *Lease) Release() {
	if unused := l.hub.release(l); unused != nil {
		unused.server.Stop()
		unused.socket.Close() // in case Stop came before Serve
		<-unused.over
	}
}

func (h *Hub) release(lease *Lease) (unused *listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := lease.listener
	for i, have := range l.leases {
		if have != lease {
			continue
		}
		l.leases = append(l.leases[:i:i], l.leases[i+1:]...)
		if n := len(l.leases); n > 0 {
			l.access.Store(l.leases[n-1].access)
			return nil
		}
		delete(h.listeners, l.endpoint.String())
		return l
	}
	return nil
}

// Mark names the present moment for ReleaseSince.
func (h *Hub) Mark() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.leases
}

// ReleaseSince gives back every lease taken after mark: those of an instance
// that did not come to life, which nobody else will ever release.
func (h *Hub) ReleaseSince(mark uint64) {
	for _, lease := range h.leasesSince(mark) {
		lease.Release()
	}
}

func (h *Hub) leasesSince(mark uint64) []*Lease {
	h.mu.Lock()
	defer h.mu.Unlock()
	var since []*Lease
	for _, l := range h.listeners {
		for _, lease := range l.leases {
			if lease.number > mark {
				since = append(since, lease)
			}
		}
	}
	return since
}

// idleBuffer is what a TLS connection keeps to read into, in bytes: room for
// some acknowledgements, as thousands of enforcers say little most of the time.
// Larger messages go past it.
const idleBuffer = 2 << 10

// window bounds what a peer may send ahead of what is read, in bytes: what gRPC
// begins with. It would otherwise measure the line with a ping, and wake both
// sides once more, for each acknowledgement.
const window = 64 << 10

func (h *Hub) newServer(l *listener) *grpc.Server {
	var creds credentials.TransportCredentials = peerCredentials{hub: h, endpoint: l.endpoint}
	if l.endpoint.Network == "tcp" {
		creds = h.tlsCredentials(l)
	}
	server := grpc.NewServer(
		grpc.Creds(creds),
		grpc.WaitForHandlers(true),
		grpc.MaxRecvMsgSize(stream.MaxMessage),
		grpc.MaxHeaderListSize(maxHeaders),
		grpc.MaxConcurrentStreams(4),
		grpc.ReadBufferSize(idleBuffer),
		grpc.StaticStreamWindowSize(window),
		grpc.StaticConnWindowSize(window),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time: stream.KeepaliveTime, Timeout: stream.KeepaliveTimeout, MaxConnectionIdle: maxIdle,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{
			MinTime: stream.KeepaliveMinTime, PermitWithoutStream: true,
		}),
	)
	stream.RegisterNamesServer(server, h)
	return server
}

func (h *Hub) serve(l *listener) {
	defer close(l.over)
	if err := l.server.Serve(l.socket); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		l.failed.Store(true)
		h.log.Errorf("enforcers cannot connect to %s any more: %v", l.endpoint, err)
	}
}

func listen(e Endpoint) (net.Listener, error) {
	if e.Network == "tcp" {
		socket, err := net.Listen("tcp", e.Address)
		if err != nil {
			return nil, fmt.Errorf("listen on %s: %w", e, err)
		}
		return socket, nil
	}
	dir := filepath.Dir(e.Address)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("listen on %s: there is no directory %s; create or mount it", e, dir)
	}
	if err := removeStale(e); err != nil {
		return nil, err
	}
	socket, err := net.Listen("unix", e.Address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", e, err)
	}
	if err := os.Chmod(e.Address, 0o600); err != nil {
		socket.Close()
		return nil, fmt.Errorf("listen on %s: %w", e, err)
	}
	return socket, nil
}

// removeStale removes the socket file of a process that is gone. A file that is
// no socket, or a socket on which somebody listens, stays.
func removeStale(e Endpoint) error {
	info, err := os.Lstat(e.Address)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("listen on %s: %w", e, err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("listen on %s: the file exists and is not a socket; remove it or name another path", e)
	}
	conn, err := net.DialTimeout("unix", e.Address, time.Second)
	if err == nil {
		conn.Close()
		return fmt.Errorf("listen on %s: another process listens there; stop it or name another path", e)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("listen on %s: %w", e, err)
	}
	if err := os.Remove(e.Address); err != nil {
		return fmt.Errorf("listen on %s: remove the stale socket: %w", e, err)
	}
	return nil
}
