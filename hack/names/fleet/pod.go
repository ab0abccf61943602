package fleet

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/nameward/nameward/hack/demo/scene"
)

// Pod is a pod of the fleet.
type Pod struct {
	*scene.Pod
	// Index is an asker's, and that of the names it owns.
	Index int
	// Node is the index of the pod's node.
	Node int

	asked atomic.Uint32
}

// Fresh is the number of a name that nobody has asked for and that this asker
// owns.
func (p *Pod) Fresh() uint32 {
	return (p.asked.Add(1)-1)*Askers + uint32(p.Index)
}

const (
	// synPatience is less than the second after which TCP repeats a SYN
	// (TCP_TIMEOUT_INIT of the kernel), so that on a machine that keeps up one
	// is all there is.
	synPatience = 700 * time.Millisecond
	// askPatience is longer than any answer is held.
	askPatience = 1500 * time.Millisecond
	// probePatience is how long a connection that must not open is waited for.
	// What opens later is seen by the doors.
	probePatience = 300 * time.Millisecond
)

// Attempt is a fresh name and where to ask for it.
type Attempt struct {
	Server netip.AddrPort
	Number uint32
	Family scene.Family
}

// Resolve asks for the name and connects at once: on the thread that reads the
// answer, so that as little time as possible lies between the two.
func (p *Pod) Resolve(ctx context.Context, a Attempt) (outcome Outcome, err error) {
	patience := synPatience
	if p.Index < 0 {
		patience = probePatience // a bystander's must not open
	}
	err = p.Netspace().Do(func() error {
		address, err := scene.Ask(ctx, a.Server, Name(a.Number), a.Family, askPatience)
		if err != nil {
			outcome = Unanswered
			return err
		}
		outcome, err = open(ctx, address, patience)
		return err
	})
	return outcome, err
}

// Trespass connects to the name's address without having asked.
func (p *Pod) Trespass(ctx context.Context, number uint32, f scene.Family) (outcome Outcome, err error) {
	err = p.Netspace().Do(func() error {
		outcome, err = open(ctx, Address(number).Of(f), probePatience)
		return err
	})
	return outcome, err
}
