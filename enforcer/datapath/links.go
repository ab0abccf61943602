package datapath

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

var errNoInterface = errors.New("no such interface on this node")

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
