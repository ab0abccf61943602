// Package kernel is a node whose programs run in the real kernel, for clusters
// that exist only on paper: pods' interfaces carry no traffic, and frames are
// judged by test run. It knows how the enforcer brings policy and grants into
// the kernel; what a verdict should be it must not know.
package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/hack/prove/cluster"
)

// Node is one goroutine's.
type Node struct {
	// Before is asked before each write to the kernel (datapath.Config). It may
	// judge packets where here is true; other tables are not met by any packet
	// yet, and are written by several goroutines at once.
	Before func(table string, here bool) error

	datapath *datapath.Datapath
	// other is what Fresh compares with.
	other    *datapath.Datapath
	trial    *datapath.Trial
	compiled *policy.Compiled
	// pending is what tried brings into the kernel, which has refused it.
	pending *policy.Compiled
	tried   []*policy.Tables
	held    map[holding]grant
	nonce   uint16
}

// holding is one entry of one pod.
type holding struct {
	endpoint policy.EndpointID
	addr     netip.Addr
}

type grant struct {
	patterns []string
	expired  bool
}

// ErrNotAttached is returned for a pod whose interface runs no program, or one
// that is about to be replaced.
var ErrNotAttached = datapath.ErrNotAttached

// ErrRoot is returned where there is no kernel to ask.
var ErrRoot = errors.New("network namespaces and eBPF need root")

// Inside runs do on a node of its own. Its network namespace dies with the
// thread that it is on, and everything with it.
func Inside(do func(*Node) error) error {
	if os.Geteuid() != 0 {
		return ErrRoot
	}
	ended := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its goroutine
		ended <- inside(do)
	}()
	return <-ended
}

func inside(do func(*Node) error) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make a network namespace: %w", err)
	}
	for slot := range cluster.Slots {
		// Never up, so that nothing but test runs is judged and counted.
		pair := &netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: cluster.Interface(slot)}, PeerName: fmt.Sprintf("inside%d", slot),
		}
		if err := netlink.LinkAdd(pair); err != nil {
			return fmt.Errorf("make an interface: %w", err)
		}
	}
	n := &Node{held: map[holding]grant{}}
	thread := unix.Gettid()
	var err error
	n.datapath, err = datapath.Open(datapath.Config{ConnectionsPerPod: 1024, GrantsPerPod: 256, Before: func(table string) error {
		if n.Before == nil {
			return nil
		}
		return n.Before(table, unix.Gettid() == thread)
	}})
	if err != nil {
		return err
	}
	err = do(n)
	if n.other != nil {
		err = errors.Join(err, n.other.Close())
	}
	return errors.Join(err, n.datapath.Close())
}

// Compiled is the policy in force.
func (n *Node) Compiled() *policy.Compiled { return n.compiled }

// Judge gives the reason for which the packet, the first of a new connection,
// passes or not, and that for which what is on trial would drop it (P23).
func (n *Node) Judge(f policy.Flow) (got, would datapath.Reason, err error) {
	if n.nonce++; n.nonce == 0 {
		// Ports begin anew, and no packet may meet a connection.
		n.nonce = 1
		if err := n.trial.Forget(); err != nil {
			return got, would, err
		}
	}
	return n.trial.Judge(policy.EndpointOf(f.Pod.Ref.UID), f.Direction, frame(f, n.nonce))
}

// Contents are what the kernel's policy tables hold.
func (n *Node) Contents() (datapath.Contents, error) { return n.datapath.Contents() }

// Fresh gives what the tables hold where this World comes after nothing at all,
// and its pods hold the same grants. Loading programs takes the verifier a
// second, so tables are used again, once they are seen to be empty.
func (n *Node) Fresh(w *policy.World) (datapath.Contents, error) {
	if n.other == nil {
		var err error
		if n.other, err = datapath.Open(datapath.Config{ConnectionsPerPod: 16, GrantsPerPod: 16}); err != nil {
			return nil, err
		}
	}
	if err := n.other.Apply([]*policy.Tables{{}}, nil); err != nil {
		return nil, err
	}
	nothing, err := n.other.Contents()
	if err != nil {
		return nil, err
	}
	for table, entries := range nothing {
		if len(entries) > 0 {
			return nil, fmt.Errorf("table %s has %d entries after all was taken away", table, len(entries))
		}
	}
	// The interfaces run the programs of this node.
	if err := n.other.Apply(n.steps(nil, policy.Compile(w)), nil); err != nil && !absent(err) {
		return nil, err
	}
	return n.other.Contents()
}

// absent says whether nothing but interfaces is missing.
func absent(err error) bool {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return errors.As(err, new(*datapath.InterfaceError))
	}
	for _, e := range joined.Unwrap() {
		if !absent(e) {
			return false
		}
	}
	return true
}

const (
	lasting = time.Hour
	past    = time.Second
)
