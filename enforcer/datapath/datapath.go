package datapath

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/nameward/nameward/bpf"
	"github.com/nameward/nameward/enforcer/policy"
)

// Config is what a Datapath is opened with. The zero value pins nothing and
// takes the defaults.
type Config struct {
	// Pin is a directory on a BPF file system, created where it is missing.
	// Without one everything ends with the process.
	Pin string
	// ConnectionsPerPod and GrantsPerPod size a pod's own tables, in entries.
	// A connection takes about 120 bytes of kernel memory, allocated at
	// once; a grant about 100, allocated when it is made. Tables taken over
	// from a predecessor keep their size.
	ConnectionsPerPod, GrantsPerPod uint32
	Hook                            Hook
	Log                             *slog.Logger
	// Before, unless nil, is called before each write to a table that packets
	// are judged by, with the table's name. An error is taken for the kernel's
	// answer, and nothing is written. It is for proofs, which judge packets
	// between any two writes and refuse some of these. Tables that are written
	// together call it from several goroutines at once.
	Before func(table string) error
	// impatient has Open not wait for the pin directory.
	impatient bool
}

// write makes one change of a table, if need be several times.
func (c *Config) write(table string, update func() error) error {
	if err := persist(func() error { return c.once(table, update) }); err != nil {
		return &UpdateError{table, err}
	}
	return nil
}

// once does not try again.
func (c *Config) once(table string, update func() error) error {
	if c.Before != nil {
		if err := c.Before(table); err != nil {
			return err
		}
	}
	return update()
}

const (
	defaultConnections = 8192
	// defaultGrants leaves room above the 10,000 addresses that a pod may
	// learn, because the new are written before the old are removed.
	defaultGrants = 12288
)

// Datapath owns the programs, the tables and the filters of this node's pods.
// One goroutine calls Apply, Grant, Revoke and those that read entries
// and connections; the other methods may be called
// from anywhere at any time.
type Datapath struct {
	cfg      Config
	state    *state
	programs *programs
	pods     map[policy.EndpointID]*pod
	// leaving are pods that are no more, but not yet out of the kernel.
	leaving []*pod
	// unfinished is where an Apply leads that failed half way.
	unfinished *policy.Tables
	slots      *slots
	// posture holds at the interfaces shut, by index. Guarded are those that
	// must not be open without a pod, nil before they are known.
	posture Posture
	shut    map[int]*filters
	guarded map[int]Interface
	// fresh are those of guarded that ShutNext is to shut.
	fresh map[int]bool
	// inherited are interfaces where a predecessor's filter of a pod is in force.
	inherited map[int]policy.EndpointID
	// begun says that the tables are those of an Apply, perhaps half way; swept,
	// that filters which are nobody's are gone since.
	begun, swept bool
	// attachedOnce says that an Apply has come as far as the interfaces.
	attachedOnce bool
	attached     map[policy.EndpointID]Interface
	scan         scan[bpf.KernelFlow, bpf.KernelConnection]
	// settled is closed when no packet can be in a view of an endpoint that
	// was current before the last switch.
	settled chan struct{}
}

// Open takes over the state of a predecessor that used the same pin directory.
// Its filters stay in force until the first Apply replaces them.
//
// Returns ErrInUse, ErrNotBPF or ErrPrivilege, wrapped.
func Open(cfg Config) (*Datapath, error) {
	if cfg.ConnectionsPerPod == 0 {
		cfg.ConnectionsPerPod = defaultConnections
	}
	if cfg.GrantsPerPod == 0 {
		cfg.GrantsPerPod = defaultGrants
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	patience := ownPatience
	if cfg.impatient {
		patience = 0
	}
	state, err := openState(cfg.Pin, patience)
	if err != nil {
		return nil, err
	}
	settled := make(chan struct{})
	close(settled)
	d := &Datapath{
		cfg: cfg, state: state, settled: settled,
		pods: make(map[policy.EndpointID]*pod), slots: newSlots(),
		shut: make(map[int]*filters), fresh: make(map[int]bool),
	}
	// A kernel that cannot run the programs is told at once, not when the
	// first policy arrives; and interfaces are shut before that.
	if d.programs, err = d.load(&policy.Tables{}); err == nil {
		err = d.openShut()
	}
	if err == nil {
		d.inherited, err = d.state.podInterfaces()
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// load makes programs for t, and for as many pods as there will be at most on
// the way to it.
func (d *Datapath) load(t *policy.Tables) (*programs, error) {
	p, err := load(d.cfg, d.state, t, d.slots.room(d.needs(t)))
	if err != nil {
		return nil, err
	}
	if err := d.posture.enter(p); err != nil {
		return nil, errors.Join(&UpdateError{"endpoints", err}, p.close())
	}
	return p, nil
}

// needs is how many slots t's pods and those that are still there take.
func (d *Datapath) needs(t *policy.Tables) int {
	n := d.slots.count
	for id := range t.Endpoints {
		if _, ok := d.pods[id]; !ok {
			n++
		}
	}
	return n
}

// Succeeds says whether a predecessor has policed pods with the same pin
// directory. To be called before the first Apply.
func (d *Datapath) Succeeds() (bool, error) {
	pods, err := d.state.pinnedPods()
	return len(pods) > 0, err
}

// Close lets go of everything. Filters that are pinned, or on a clsact qdisc,
// stay in force with the policy they have.
func (d *Datapath) Close() error {
	<-d.settled
	var errs []error
	for _, p := range d.pods {
		errs = append(errs, p.close(d.cfg.Pin != ""))
	}
	for _, p := range d.leaving {
		errs = append(errs, p.close(false))
	}
	for _, f := range d.shut {
		errs = append(errs, f.release(d.cfg.Pin != ""))
	}
	if d.programs != nil {
		errs = append(errs, d.programs.close())
	}
	return errors.Join(append(errs, d.state.close())...)
}

// bumpEpoch has every connection of the node judged again at its next packet.
func (d *Datapath) bumpEpoch() error {
	var world bpf.KernelWorld
	table := d.state.maps[bpf.KernelMapWorld]
	if err := table.Lookup(uint32(0), &world); err != nil {
		return &UpdateError{"world", err}
	}
	world.Epoch++
	return d.cfg.write("world", func() error { return table.Put(uint32(0), world) })
}

// InterfaceError is a pod that is not policed because its interface is not
// there. The other pods are.
type InterfaceError struct {
	Pod       policy.PodRef
	Interface Interface
	Err       error
}

func (e *InterfaceError) Error() string {
	if e.Interface == (Interface{}) {
		return fmt.Sprintf("pod %s/%s: host-side interface not known; annotation nameward.io/interface should name it",
			e.Pod.Namespace, e.Pod.Name)
	}
	return fmt.Sprintf("pod %s/%s: host-side interface %v: %v", e.Pod.Namespace, e.Pod.Name, e.Interface, e.Err)
}

func (e *InterfaceError) Unwrap() error { return e.Err }
