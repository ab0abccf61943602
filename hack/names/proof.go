package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/nameward/nameward/hack/demo/product"
	"github.com/nameward/nameward/hack/demo/scene"
	"github.com/nameward/nameward/hack/names/fleet"
	"github.com/nameward/nameward/hack/names/report"
	"github.com/nameward/nameward/hack/names/scenario"
)

// proof is what the parts share: the fleet, which is built when the first part
// needs it.
type proof struct {
	options
	folder string
	fleet  *fleet.Fleet
}

// part is one part of the proof. An error says that it could not be told to
// its end; what is not as it should be is for the report.
type part struct {
	name string
	run  func(context.Context, *report.Report) error
}

func (p *proof) parts() []part {
	return []part{
		{"scenarios", p.scenarios},
		{"race", p.race},
		{"counter-proofs", p.counterProofs},
		{"chaos", p.chaos},
	}
}

// scenarios plays the table of what DNS servers do wrong, on a node of its own.
func (p *proof) scenarios(ctx context.Context, r *report.Report) error {
	folder, err := os.MkdirTemp(scene.Private, "nameward-")
	if err != nil {
		return fmt.Errorf("create the run's folder: %w", err)
	}
	defer os.RemoveAll(folder)
	total, err := scenario.Run(ctx, folder, p.binaries, r.Writer())
	r.Tally(total.Passed, total.Failed)
	return err
}

// ready builds the fleet where there is none, and returns once every node and
// replica work together.
func (p *proof) ready(ctx context.Context, r *report.Report) error {
	if p.fleet == nil {
		began := time.Now()
		folder, err := os.MkdirTemp(scene.Private, "nameward-")
		if err != nil {
			return fmt.Errorf("create the run's folder: %w", err)
		}
		p.folder = folder
		if p.fleet, err = fleet.New(ctx, folder, p.binaries); err != nil {
			return err
		}
		r.Note("%d nodes, %d replicas of CoreDNS, %d pods: up after %s", fleet.Nodes, fleet.Replicas,
			len(p.fleet.Askers)+len(p.fleet.Bystanders), time.Since(began).Round(10*time.Millisecond))
	}
	return p.settle(ctx)
}

// settle waits until a fresh name of each node is open to its first SYN,
// whichever replica was asked.
func (p *proof) settle(ctx context.Context) error {
	for _, node := range p.fleet.Nodes {
		if err := node.AwaitPolicy(ctx); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var all sync.WaitGroup
	for _, node := range p.fleet.Nodes {
		for _, replica := range p.fleet.Replicas {
			all.Go(func() { newHealer(p.fleet, new(tally)).watch(ctx, pair{node, replica}) })
		}
	}
	all.Wait()
	if ctx.Err() != nil {
		return errors.New("await that all nodes and replicas work together: not after 20 s")
	}
	return nil
}

func (p *proof) close() error {
	if p.fleet == nil {
		return nil
	}
	return errors.Join(p.fleet.Close(), os.RemoveAll(p.folder))
}

// anywhere asks the cluster DNS address or, as often, one of the replicas.
func (p *proof) anywhere(random *rand.Rand, f scene.Family) netip.AddrPort {
	if random.IntN(2) == 0 {
		return p.fleet.Service(f)
	}
	return p.fleet.Replicas[random.IntN(len(p.fleet.Replicas))].Server(f)
}

// books are what others than the clients have counted: the kernels and the
// servers.
type books struct {
	kernels           product.Counters
	syns              int
	owners, strangers int
}

func (p *proof) read(ctx context.Context) (b books, err error) {
	if b.kernels, err = p.fleet.Counters(ctx); err != nil {
		return b, err
	}
	b.owners, b.strangers, _ = p.fleet.Doors.Passed()
	b.syns, err = p.fleet.SYNs()
	return b, err
}

// denied is what the nodes' kernels dropped meanwhile, by reason, and how many
// SYNs of the pods' kernels came to no server.
func (b books) denied(later books) (denied product.Counters, futile int) {
	denied = product.Counters{}
	for verdict, packets := range later.kernels.Since(b.kernels) {
		if verdict.Denied() {
			denied[verdict] = packets
		}
	}
	return denied, later.syns - b.syns - (later.owners - b.owners) - (later.strangers - b.strangers)
}
