// Package fleet is a small cluster on this machine: three nodes with an
// enforcer each, replicas of CoreDNS behind one address, pods on every node, and
// an outside with a fresh name for everybody who asks, all in network namespaces
// of their own. It knows how they are linked, started and killed, and what a pod
// sees; what should be seen, it does not.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/nameward/nameward/hack/demo/product"
	"github.com/nameward/nameward/hack/demo/scene"
)

// Fleet owns its network namespaces, files and programs.
type Fleet struct {
	Nodes []*Node
	// Replicas share the cluster DNS address. Hasty is one beside them that
	// holds no answer back.
	Replicas []*Replica
	Hasty    *Replica
	// Askers and Bystanders are the pods of all nodes.
	Askers, Bystanders []*Pod
	Doors              *Doors

	folder string
	world  *scene.Netspace

	netspaces []*scene.Netspace
	closers   []func() error
}

// New builds the fleet and starts its programs. The folder exists and is empty;
// names of network namespaces must be this process's own (scene.HideMounts).
// After an error nothing is left but files.
func New(ctx context.Context, folder string, binaries product.Binaries) (_ *Fleet, err error) {
	f := &Fleet{folder: folder}
	f.Askers, f.Bystanders = newPods()
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if err := f.wire(); err != nil {
		return nil, err
	}
	if err := f.equip(binaries); err != nil {
		return nil, err
	}
	return f, f.start(ctx)
}

// wire makes all namespaces and what listens outside.
func (f *Fleet) wire() (err error) {
	if f.world, err = f.netspace("outside"); err != nil {
		return err
	}
	if err := errors.Join(f.world.Forward(), f.world.Own(doors4, doors6)); err != nil {
		return err
	}
	for i := range Nodes {
		node, err := f.newNode(i)
		if err != nil {
			return fmt.Errorf("make %s: %w", nodeName(i), err)
		}
		f.Nodes = append(f.Nodes, node)
	}
	for i := range Replicas + 1 {
		name := fmt.Sprintf("coredns-%d", i)
		if i == Replicas {
			name = "hasty"
		}
		replica, err := f.newReplica(i, name)
		if err != nil {
			return fmt.Errorf("make %s: %w", name, err)
		}
		f.Replicas = append(f.Replicas, replica)
	}
	f.Replicas, f.Hasty = f.Replicas[:Replicas:Replicas], f.Replicas[Replicas]
	if err := f.populate(); err != nil {
		return err
	}
	return f.outside()
}

func (f *Fleet) netspace(name string) (*scene.Netspace, error) {
	n, err := scene.NewNetspace(name)
	if err == nil {
		f.netspaces = append(f.netspaces, n)
	}
	return n, err
}

func (f *Fleet) populate() error {
	for _, pod := range slices.Concat(f.Askers, f.Bystanders) {
		node := f.Nodes[pod.Node]
		err := pod.Join(node.net, node.address, pod.Name)
		if pod.Netspace() != nil {
			f.netspaces = append(f.netspaces, pod.Netspace())
		}
		if err != nil {
			return err
		}
		if pod.Index < 0 {
			node.Bystander = pod
		} else {
			node.Askers = append(node.Askers, pod)
		}
	}
	return nil
}

// outside starts the authority and the doors.
func (f *Fleet) outside() error {
	stop, err := scene.Zone(lookup).Serve(f.world)
	if err != nil {
		return fmt.Errorf("serve DNS outside: %w", err)
	}
	f.closers = append(f.closers, stop)
	asker := make(map[netip.Addr]int)
	for _, pod := range f.Askers {
		for _, family := range scene.Families {
			asker[pod.Address.Of(family)] = pod.Index
		}
	}
	if f.Doors, err = openDoors(f.world, asker); err != nil {
		return err
	}
	f.closers = append(f.closers, f.Doors.listener.Close)
	return nil
}

// held is how long answers may wait. It is more than the product's default, as
// a machine with more to do than it can stalls for longer than that, and what
// is proved is that the wait suffices, not that the machine does.
const held = "1s"

// equip writes everybody's files.
func (f *Fleet) equip(binaries product.Binaries) error {
	certificates, err := newIssuer(f.folder + "/tls")
	if err != nil {
		return err
	}
	replicas := append(slices.Clone(f.Replicas), f.Hasty)
	for _, r := range replicas {
		id, err := certificates.replica(r.Name, r.address)
		if err != nil {
			return err
		}
		hold := held
		if r == f.Hasty {
			hold = "0"
		}
		if r.launch, err = r.coredns(binaries.CoreDNS, hold, id); err != nil {
			return err
		}
	}
	for _, n := range f.Nodes {
		id, err := certificates.node(n.Name)
		if err != nil {
			return err
		}
		if err := n.prepare(); err != nil {
			return err
		}
		f.closers = append(f.closers, func() error { return product.UnmountBPF(n.bpffs()) })
		n.launch = n.enforcer(binaries.Enforcer, id, replicas)
	}
	return f.describe()
}

// Programs are all of the fleet's.
func (f *Fleet) Programs() (all []*Program) {
	for _, r := range f.Replicas {
		all = append(all, r.Program)
	}
	if f.Hasty != nil {
		all = append(all, f.Hasty.Program)
	}
	for _, n := range f.Nodes {
		all = append(all, n.Program)
	}
	return all
}

func (f *Fleet) start(ctx context.Context) error {
	for _, p := range f.Programs() {
		if err := p.Start(); err != nil {
			return err
		}
	}
	return f.AwaitReady(ctx)
}

// AwaitReady returns once every program says that it serves.
func (f *Fleet) AwaitReady(ctx context.Context) error {
	for _, p := range f.Programs() {
		if err := p.AwaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Service is where pods ask any of the replicas.
func (f *Fleet) Service(family scene.Family) netip.AddrPort {
	return netip.AddrPortFrom(service.Of(family), dnsPort)
}

// Counters are the packets by verdict of all nodes.
func (f *Fleet) Counters(ctx context.Context) (product.Counters, error) {
	all := product.Counters{}
	for _, n := range f.Nodes {
		counters, err := n.Counters(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.Name, err)
		}
		all.Add(counters)
	}
	return all, nil
}

// SYNs are those that the kernels of all pods have sent so far.
func (f *Fleet) SYNs() (all int, _ error) {
	for _, pod := range slices.Concat(f.Askers, f.Bystanders) {
		syns, err := pod.SYNs()
		if err != nil {
			return 0, fmt.Errorf("%s: %w", pod, err)
		}
		all += syns
	}
	return all, nil
}

// Tails are the ends of all logs.
func (f *Fleet) Tails() string {
	var tails []string
	for _, p := range f.Programs() {
		tails = append(tails, p.Tail())
	}
	return strings.Join(tails, "\n")
}

// Close ends the programs and removes the rest.
func (f *Fleet) Close() error {
	for _, p := range f.Programs() {
		p.stop()
	}
	var errs []error
	for _, stop := range f.closers {
		errs = append(errs, stop())
	}
	for _, n := range f.netspaces {
		errs = append(errs, n.Remove())
	}
	f.closers, f.netspaces = nil, nil
	return errors.Join(errs...)
}
