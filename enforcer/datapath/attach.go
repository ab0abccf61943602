package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Hook is the kind of attachment.
type Hook uint8

const (
	// HookAuto takes TCX where the kernel has it, else clsact. What a kernel
	// has is tried: distributions backport it, so versions say nothing.
	HookAuto Hook = iota
	HookTCX
	HookClsact
)

// side is one of the two hooks of a pod's interface.
type side struct {
	// pin is the name of the link in the pod's directory.
	pin    string
	attach ebpf.AttachType
	parent uint32
}

// What leaves the pod comes into its host-side interface.
var (
	intoPod  = side{"into_pod", ebpf.AttachTCXEgress, netlink.HANDLE_MIN_EGRESS}
	outOfPod = side{"out_of_pod", ebpf.AttachTCXIngress, netlink.HANDLE_MIN_INGRESS}
	// In this order: TCX has the caller wait a grace period for each, and a pod
	// that has just come speaks first (D9).
	sides = []side{outOfPod, intoPod}
)

func (p *programs) of(s side) *ebpf.Program {
	if s == intoPod {
		return p.IntoPod
	}
	return p.OutOfPod
}

// Our filter on a clsact qdisc, apart from those of others by priority, handle
// and name; the qdisc itself is never removed, others may use it.
const (
	filterPriority = 49152
	filterHandle   = 1
	filterName     = "nameward"
)

// attachment is one filter on one interface.
type attachment struct {
	ifindex int
	link    link.Link // nil with clsact
}

// attach puts the program on the interface or, where a filter of ours is there
// already, takes its place in one step. dir is the pod's pin directory or "".
func attach(hook Hook, s side, ifindex int, program *ebpf.Program, dir string) (*attachment, error) {
	if hook == HookClsact {
		return attachClsact(s, ifindex, program)
	}
	a, err := attachTCX(s, ifindex, program, dir)
	if hook == HookAuto && errors.Is(err, ebpf.ErrNotSupported) {
		return attachClsact(s, ifindex, program)
	}
	return a, err
}

func attachTCX(s side, ifindex int, program *ebpf.Program, dir string) (*attachment, error) {
	pin := ""
	if dir != "" {
		pin = filepath.Join(dir, s.pin)
		if l, err := adopt(pin, ifindex, program); l != nil || err != nil {
			return &attachment{ifindex, l}, err
		}
	}
	l, err := link.AttachTCX(link.TCXOptions{Interface: ifindex, Program: program, Attach: s.attach})
	if err != nil {
		return nil, fmt.Errorf("attach to interface %d: %w", ifindex, err)
	}
	if pin != "" {
		if err := l.Pin(pin); err != nil {
			return nil, errors.Join(fmt.Errorf("pin link: %w", err), l.Close())
		}
	}
	return &attachment{ifindex, l}, nil
}

// adopt updates a pinned link of that interface. A link whose interface is gone
// or another is removed, and nil returned.
func adopt(pin string, ifindex int, program *ebpf.Program) (link.Link, error) {
	l, err := link.LoadPinnedLink(pin, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open pinned link %s: %w", pin, err)
	}
	if linkInterface(l) == ifindex {
		if err := l.Update(program); err != nil {
			return nil, errors.Join(fmt.Errorf("update link %s: %w", pin, err), l.Close())
		}
		return l, nil
	}
	if err := removeLink(l); err != nil {
		return nil, fmt.Errorf("remove stale link %s: %w", pin, err)
	}
	return nil, nil
}

// linkInterface is 0 where the interface is gone.
func linkInterface(l link.Link) int {
	info, err := l.Info()
	if err != nil || info.TCX() == nil {
		return 0
	}
	return int(info.TCX().Ifindex)
}

func attachClsact(s side, ifindex int, program *ebpf.Program) (*attachment, error) {
	qdisc := &netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: ifindex, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT,
	}}
	if err := netlink.QdiscAdd(qdisc); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("add clsact to interface %d: %w", ifindex, err)
	}
	if err := netlink.FilterReplace(filter(s, ifindex, program.FD())); err != nil {
		return nil, fmt.Errorf("attach to interface %d: %w", ifindex, err)
	}
	return &attachment{ifindex: ifindex}, nil
}

func filter(s side, ifindex, fd int) *netlink.BpfFilter {
	return &netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: ifindex, Parent: s.parent, Handle: filterHandle,
			Priority: filterPriority, Protocol: unix.ETH_P_ALL,
		},
		Fd: fd, Name: filterName, DirectAction: true,
	}
}

// replace puts another program in place of the one attached, in one step.
func (a *attachment) replace(s side, program *ebpf.Program) error {
	if a.link == nil {
		if err := netlink.FilterReplace(filter(s, a.ifindex, program.FD())); err != nil {
			return fmt.Errorf("replace filter of interface %d: %w", a.ifindex, err)
		}
		return nil
	}
	if err := a.link.Update(program); err != nil {
		return fmt.Errorf("replace filter of interface %d: %w", a.ifindex, err)
	}
	return nil
}

// at gives the pod that is attached to the interface, or nil.
func (d *Datapath) at(ifindex int) *pod {
	is := func(p *pod) bool { return p.ifindex == ifindex }
	for _, p := range d.pods {
		if is(p) {
			return p
		}
	}
	if i := slices.IndexFunc(d.leaving, is); i >= 0 {
		return d.leaving[i]
	}
	return nil
}

// exchange has two pods take each other's filters, where one gets the interface
// that was the other's: the kernel takes one program once only, and taking the
// filter off before would leave the interface open (D9). The other pod keeps
// what it gets until it is attached elsewhere or removed.
func (d *Datapath) exchange(p, before *pod) error {
	if p.ifindex != 0 {
		if err := d.slots.lead(d.programs, p.ifindex, before.slot); err != nil {
			return err
		}
	}
	if p.dir != "" {
		if err := errors.Join(before.repin(p.dir, "_moving"), p.repin(before.dir, ""), before.repin(p.dir, "")); err != nil {
			return err
		}
	}
	p.attachments, before.attachments = before.attachments, p.attachments
	p.ifindex, before.ifindex = before.ifindex, p.ifindex
	p.runs, before.runs = before.runs, p.runs
	return nil
}

// repin moves the pins of the pod's links to another directory.
func (p *pod) repin(dir, suffix string) error {
	for s, a := range p.attachments {
		if a.link == nil {
			continue
		}
		if err := a.link.Pin(filepath.Join(dir, s.pin+suffix)); err != nil {
			return fmt.Errorf("move pinned link: %w", err)
		}
	}
	return nil
}

// detach takes the filter off. An interface that is gone took it along.
func (a *attachment) detach(s side) error {
	if a.link == nil {
		return removeFilter(s, a.ifindex)
	}
	return removeLink(a.link)
}

// removeLink detaches at once: the kernel lets go of a link that nobody holds
// only some time later. Detaching fails where the interface is gone.
func removeLink(l link.Link) error {
	_ = l.Detach()
	return errors.Join(ignoreMissing(l.Unpin()), l.Close())
}

// removePinned detaches the links in a pod's pin directory and removes it.
func removePinned(dir string) error {
	var errs []error
	for _, s := range sides {
		l, err := link.LoadPinnedLink(filepath.Join(dir, s.pin), nil)
		if err != nil {
			errs = append(errs, ignoreMissing(err))
			continue
		}
		errs = append(errs, removeLink(l))
	}
	return errors.Join(append(errs, os.RemoveAll(dir))...)
}

func removeFilter(s side, ifindex int) error {
	err := netlink.FilterDel(filter(s, ifindex, -1))
	if errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// close lets go of the filter without taking it off, where it is pinned or on a
// clsact qdisc.
func (a *attachment) close() error {
	if a.link == nil {
		return nil
	}
	return a.link.Close()
}
