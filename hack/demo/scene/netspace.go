package scene

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// Netspace is a named network namespace. Its owner removes it.
type Netspace struct {
	// Name is what `ip netns exec` takes.
	Name   string
	handle netns.NsHandle
}

// NewNetspace creates the network namespace and brings its loopback up. The
// caller's own network namespace stays what it was.
func NewNetspace(name string) (*Netspace, error) {
	n := &Netspace{Name: name, handle: netns.None()}
	err := onOwnThread(func() (err error) {
		n.handle, err = netns.NewNamed(name)
		return err
	})
	switch {
	case errors.Is(err, os.ErrExist):
		return nil, fmt.Errorf("create network namespace %s: the name is taken: %w", name, err)
	case err != nil:
		return nil, errors.Join(fmt.Errorf("create network namespace %s: %w", name, err), n.Remove())
	}
	if err := n.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare network namespace %s: %w", name, err), n.Remove())
	}
	return n, nil
}

// Do runs f on a thread inside the network namespace. Sockets and processes
// that f creates stay there for good. f must not start goroutines that count
// on the network namespace.
func (n *Netspace) Do(f func() error) error {
	return onOwnThread(func() error {
		if err := netns.Set(n.handle); err != nil {
			return fmt.Errorf("enter network namespace %s: %w", n.Name, err)
		}
		return f()
	})
}

// onOwnThread runs f, which may change the thread's network namespace, and
// puts the thread back. A thread that cannot be put back is never used again.
func onOwnThread(f func() error) error {
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("read the thread's network namespace: %w", err)
	}
	defer home.Close()
	ran := f()
	if err := netns.Set(home); err != nil {
		return errors.Join(ran, fmt.Errorf("leave network namespace: %w", err))
	}
	runtime.UnlockOSThread()
	return ran
}

// Handle is a file descriptor of the network namespace, which stays its own.
func (n *Netspace) Handle() int { return int(n.handle) }

// Start starts the command inside the network namespace.
func (n *Netspace) Start(cmd *exec.Cmd) error { return n.Do(cmd.Start) }

// Listen opens a listening socket inside the network namespace.
func (n *Netspace) Listen(network, address string) (l net.Listener, err error) {
	err = n.Do(func() error {
		l, err = net.Listen(network, address)
		return err
	})
	return l, err
}

// ListenPacket opens a UDP socket inside the network namespace.
func (n *Netspace) ListenPacket(network, address string) (c net.PacketConn, err error) {
	err = n.Do(func() error {
		c, err = net.ListenPacket(network, address)
		return err
	})
	return c, err
}

// prepare sets what every namespace of the scene needs. Duplicate address
// detection would keep IPv6 addresses unusable for a second, and router
// solicitations would be counted as denied packets between the probes.
func (n *Netspace) prepare() error {
	return n.Do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return fmt.Errorf("find loopback: %w", err)
		}
		return errors.Join(
			netlink.LinkSetUp(lo),
			Sysctl("net/ipv4/conf/all/rp_filter", "0"),
			Sysctl("net/ipv4/conf/default/rp_filter", "0"),
			Sysctl("net/ipv6/conf/all/disable_ipv6", "0"),
			Sysctl("net/ipv6/conf/default/disable_ipv6", "0"),
			Sysctl("net/ipv6/conf/default/accept_dad", "0"),
			Sysctl("net/ipv6/conf/default/accept_ra", "0"),
			Sysctl("net/ipv6/conf/default/router_solicitations", "0"),
		)
	})
}

// Remove deletes the network namespace; its interfaces and their filters go
// with it once nothing runs in it any more.
func (n *Netspace) Remove() error {
	n.handle.Close()
	if _, err := os.Lstat(filepath.Join(netspaceFolder, n.Name)); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := netns.DeleteNamed(n.Name); err != nil {
		return fmt.Errorf("remove network namespace %s: %w", n.Name, err)
	}
	return nil
}

// Remove removes the network namespaces of the scene with this prefix, whose
// process has gone.
func Remove(prefix string) error {
	paths, err := filepath.Glob(filepath.Join(netspaceFolder, prefix+"-*"))
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range paths {
		if err := netns.DeleteNamed(filepath.Base(path)); err != nil {
			errs = append(errs, fmt.Errorf("remove network namespace %s: %w", filepath.Base(path), err))
		}
	}
	return errors.Join(errs...)
}

// netspaceFolder is where `ip netns` looks for names.
const netspaceFolder = "/run/netns"

// Sysctl writes a setting of the thread's network namespace.
func Sysctl(key, value string) error {
	return os.WriteFile(filepath.Join("/proc/sys", key), []byte(value), 0)
}
