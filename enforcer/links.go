package main

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/enforcer/datapath"
)

// surroundings are the node's network as of one moment: what the manifests do
// not say and policies depend on. Immutable.
type surroundings struct {
	// addresses are this node's own, sorted.
	addresses []netip.Addr
	// links are the interfaces' indices by name.
	links map[string]int
}

func (s *surroundings) equal(t *surroundings) bool {
	return slices.Equal(s.addresses, t.addresses) && maps.Equal(s.links, t.links)
}

// look reads the network namespace that the program runs in.
func look() (*surroundings, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	addresses, err := datapath.NodeAddresses()
	if err != nil {
		return nil, err
	}
	s := &surroundings{addresses: addresses, links: make(map[string]int, len(links))}
	for _, l := range links {
		s.links[l.Attrs().Name] = l.Attrs().Index
	}
	return s, nil
}

// watchSurroundings calls changed with every new state, the first at once, on
// the calling goroutine; a state that differs in its links alone only where these
// matter. It returns nil when ctx ends, and an error when the kernel's events were
// lost: then it is to be called again.
func watchSurroundings(ctx context.Context, links bool, changed func(*surroundings)) error {
	// Subscribed before the first look, so that nothing falls in between.
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR)
	if err != nil {
		return fmt.Errorf("subscribe to network events: %w", err)
	}
	events, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() { ended <- signalEvents(socket, events) }()
	last := &surroundings{}
	for {
		now, err := look()
		if err == nil && (last.links == nil || !slices.Equal(now.addresses, last.addresses) || links && !now.equal(last)) {
			last = now
			changed(now)
		}
		if err == nil {
			select {
			case <-events:
				continue
			case <-ctx.Done():
			case err = <-ended:
				socket.Close()
				return fmt.Errorf("read network events: %w", err)
			}
		}
		socket.Close()
		<-ended
		return err
	}
}

// signalEvents takes events off the socket as fast as they come, so that one
// look can answer many, until the socket is closed or has lost some.
func signalEvents(socket *nl.NetlinkSocket, events chan<- struct{}) error {
	for {
		if _, _, err := socket.Receive(); err != nil {
			return err
		}
		wake(events)
	}
}
