package pods

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// events gathers what the kernel says has changed, as fast as it says so, so
// that one look can answer many.
type events struct {
	socket *nl.NetlinkSocket
	signal chan struct{}
	ended  chan error

	mu      sync.Mutex
	changed what
	// gone are the indices of interfaces that went: one that has the index
	// later is another.
	gone []int
}

// receiveBuffer holds the events of a burst of pods, in bytes.
const receiveBuffer = 4 << 20

func openEvents() (*events, error) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
		unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("subscribe to network events: %w", err)
	}
	if err := socket.SetReceiveBufferSize(receiveBuffer, true); err != nil {
		// Without CAP_NET_ADMIN the system's limit bounds it.
		_ = socket.SetReceiveBufferSize(receiveBuffer, false)
	}
	e := &events{socket: socket, signal: make(chan struct{}, 1), ended: make(chan error, 1)}
	go func() {
		e.ended <- e.gather()
		close(e.ended)
	}()
	return e, nil
}

// close returns when the gathering goroutine has ended.
func (e *events) close() {
	e.socket.Close()
	for range e.ended {
	}
}

func (e *events) gather() error {
	for {
		messages, _, err := e.socket.Receive()
		switch {
		case errors.Is(err, unix.ENOBUFS):
			// Events were lost: all may have changed.
			e.tell(everything)
		case errors.Is(err, os.ErrClosed) || errors.Is(err, unix.EBADF):
			return nil
		case err != nil:
			return fmt.Errorf("read network events: %w", err)
		default:
			e.heed(messages)
		}
	}
}

func (e *events) heed(messages []syscall.NetlinkMessage) {
	for _, m := range messages {
		switch m.Header.Type {
		case unix.RTM_NEWLINK:
			e.tell(someLink)
		case unix.RTM_DELLINK:
			// A bridge says so of a port that leaves it.
			if len(m.Data) >= unix.SizeofIfInfomsg && m.Data[0] == unix.AF_UNSPEC {
				e.tell(someLink, int(int32(binary.NativeEndian.Uint32(m.Data[4:]))))
			}
		case unix.RTM_NEWADDR, unix.RTM_DELADDR:
			e.tell(someAddress)
		case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
			if interesting(m.Data) {
				e.tell(someRoute)
			}
		}
	}
}

func (e *events) tell(changed what, gone ...int) {
	e.mu.Lock()
	e.changed |= changed
	e.gone = append(e.gone, gone...)
	e.mu.Unlock()
	select {
	case e.signal <- struct{}{}:
	default:
	}
}

// take hands over what has changed since it was asked last.
func (e *events) take() (changed what, gone []int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	changed, gone = e.changed, e.gone
	e.changed, e.gone = 0, nil
	return changed, gone
}
