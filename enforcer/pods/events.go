package pods

import (
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

	mu   sync.Mutex
	news news
}

// news are what has changed.
type news struct {
	what what
	// links are the indices of interfaces that changed, with true for those
	// that went: one that has the index later is another. Beside someLink they
	// mean nothing, for then any may have changed.
	links map[int]bool
}

// add takes what came later.
func (n *news) add(later news) {
	n.what |= later.what
	if n.links == nil {
		n.links = make(map[int]bool)
	}
	for index, gone := range later.links {
		n.links[index] = n.links[index] || gone
	}
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
			e.tell(news{what: everything})
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
		case unix.RTM_NEWLINK, unix.RTM_DELLINK:
			// A bridge says so, too, of its ports: it lets them go.
			if len(m.Data) >= unix.SizeofIfInfomsg && m.Data[0] == unix.AF_UNSPEC {
				e.tell(news{links: map[int]bool{number(m.Data[4:]): m.Header.Type == unix.RTM_DELLINK}})
			}
		case unix.RTM_NEWADDR, unix.RTM_DELADDR:
			e.tell(news{what: someAddress})
		case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
			if interesting(m.Data) {
				e.tell(news{what: someRoute})
			}
		}
	}
}

func (e *events) tell(later news) {
	e.mu.Lock()
	e.news.add(later)
	e.mu.Unlock()
	select {
	case e.signal <- struct{}{}:
	default:
	}
}

// take hands over what has changed since it was asked last.
func (e *events) take() news {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := e.news
	e.news = news{}
	return n
}
