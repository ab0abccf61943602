package datapath

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/enforcer/policy"
)

// call sends a first packet to a port and gives the error that comes back, nil
// where nothing does or it is answered.
func (s *scene) call(from, to *scenePod, kind int, port uint16, within time.Duration) (err error) {
	s.t.Helper()
	s.inside(from, func() {
		fd, failure := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
		must(s.t, failure)
		defer unix.Close(fd)
		timeout := unix.NsecToTimeval(within.Nanoseconds())
		must(s.t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &timeout))
		must(s.t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout))
		err = again(func() error { return unix.Connect(fd, &unix.SockaddrInet4{Port: int(port), Addr: to.addr.As4()}) })
		if err == nil && kind == unix.SOCK_DGRAM {
			must(s.t, again(func() error { return unix.Send(fd, []byte("?"), 0) }))
			err = again(func() error { _, _, err := unix.Recvfrom(fd, make([]byte, 8), 0); return err })
		}
	})
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINPROGRESS) || errors.Is(err, unix.EALREADY) {
		return nil // the time was up
	}
	return err
}

// again goes on where a signal of the Go runtime has interrupted a call.
func again(call func() error) error {
	err := call()
	for errors.Is(err, unix.EINTR) {
		err = call()
	}
	return err
}

// TestDropsAreSilent: who is denied hears nothing, neither a reset nor an ICMP
// error, in whichever direction the drop is (D2).
func TestDropsAreSilent(t *testing.T) {
	hooks(t, func(t *testing.T, hook Hook) {
		const closed = 4242 // nobody serves it
		p := newPlay(t, hook, false)
		p.interfaces[p.server.id] = Interface{Name: p.server.iface}
		both := []*scenePod{p.client, p.server}
		kinds := map[string]int{"TCP": unix.SOCK_STREAM, "UDP": unix.SOCK_DGRAM}

		p.turn(world(both))
		for name, kind := range kinds {
			if err := p.call(p.client, p.server, kind, closed, patience); !errors.Is(err, unix.ECONNREFUSED) {
				t.Fatalf("%s to a closed port that is allowed: got %v, want it refused, or the test sees nothing", name, err)
			}
		}
		for name, denial := range map[string]*policy.Policy{
			"out of the pod": isolating(policy.Egress), "into the pod": isolating(policy.Ingress),
		} {
			p.turn(world(both, denial))
			for kindName, kind := range kinds {
				for _, port := range []uint16{80, closed} {
					if err := p.call(p.client, p.server, kind, port, wait); err != nil {
						t.Errorf("%s to port %d, denied %s: got %v, want silence", kindName, port, name, err)
					}
				}
			}
		}
	})
}
