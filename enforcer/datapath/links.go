package datapath

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

var errNoInterface = errors.New("no such interface on this node")

// MovedError is an interface that is not the one that was meant: its name has
// gone to another.
type MovedError struct{ Index, Now int }

func (e *MovedError) Error() string {
	return fmt.Sprintf("the name is that of interface %d now, not of %d", e.Now, e.Index)
}

// links answers which index an interface has (netdevice(7)). Package net would
// read the whole list of interfaces for each name.
type links struct{ socket int }

func openLinks() (links, error) {
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return links{}, fmt.Errorf("open socket to ask for interfaces: %w", err)
	}
	return links{socket}, nil
}

func (l links) close() { unix.Close(l.socket) }

// find gives the index of the interface that is meant. Returns errNoInterface, or
// a *MovedError where another interface has the name now.
func (l links) find(i Interface) (int, error) {
	now, err := l.index(i.Name)
	switch {
	case i.Index == 0:
		return now, err
	case err == nil && now == i.Index:
		return now, nil
	case err == nil:
		return 0, &MovedError{i.Index, now}
	case l.exists(i.Index): // under another name
		return i.Index, nil
	}
	return 0, errNoInterface
}

// exists asks by SIOCGIFNAME, whose request has the index where package unix
// has an integer.
func (l links) exists(index int) bool {
	request, err := unix.NewIfreq("")
	if err != nil {
		return false
	}
	request.SetUint32(uint32(index))
	return unix.IoctlIfreq(l.socket, unix.SIOCGIFNAME, request) == nil
}

// index returns errNoInterface also for a name that no interface can have.
func (l links) index(name string) (int, error) {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return 0, errNoInterface
	}
	if err := unix.IoctlIfreq(l.socket, unix.SIOCGIFINDEX, request); err != nil {
		return 0, errNoInterface
	}
	return int(request.Uint32()), nil
}

// NodeAddresses are those of all interfaces of the current network namespace, from
// which the kubelet may probe (P18), sorted. Loopback is left out: no pod can be
// reached from there.
func NodeAddresses() ([]netip.Addr, error) {
	found, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list the node's addresses: %w", err)
	}
	var all []netip.Addr
	for _, f := range found {
		if a, ok := netip.AddrFromSlice(f.IP); ok && !a.Unmap().IsLoopback() {
			all = append(all, a.Unmap())
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all), nil
}
