package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"time"

	"github.com/nameward/nameward/hack/bench/apiserver"
	"github.com/nameward/nameward/hack/demo/product"
	"github.com/nameward/nameward/hack/demo/scene"
)

// crowds are the pods of the cluster, and what an enforcer may take of memory
// with so many, in MB.
var crowds = []crowd{{10_000, 60}, {100_000, 120}}

type crowd struct {
	pods   int
	memory float64
}

// atAPIServer measures the enforcer as a cluster's node has it: it reads a real
// API server in which there are so many pods, and 30 pods of its own.
func (s *stage) atAPIServer(ctx context.Context, t *table) (err error) {
	if err := s.binaries.control.Ready(); err != nil {
		return err
	}
	folder, err := s.room("apiserver")
	if err != nil {
		return err
	}
	home, err := newHome(fmt.Sprintf("nwbench%d-api", os.Getpid()))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, home.close()) }()
	t.progress("apiserver: starting etcd and the API server")
	server, err := apiserver.Start(ctx, s.binaries.control, home.node, folder)
	if err != nil {
		return err
	}
	defer server.Close()
	if err := defineKinds(ctx, server); err != nil {
		return err
	}
	from := 0
	for _, c := range crowds {
		t.progress("apiserver: %d pods come into the cluster", c.pods)
		began := time.Now()
		if err := loadCrowd(ctx, server, from, c.pods); err != nil {
			return err
		}
		from = c.pods
		t.section(fmt.Sprintf("API server: the enforcer in a cluster of %s pods", grouped(float64(c.pods))),
			fmt.Sprintf("%d nodes, %s Services with EndpointSlices, %d policies; 30 pods of this node; written into etcd in %s",
				apiserver.Nodes, grouped(float64(c.pods)/20), apiserver.Policies, time.Since(began).Round(time.Second)))
		if err := s.resident(ctx, t, server, home, c); err != nil {
			return fmt.Errorf("%d pods: %w", c.pods, err)
		}
	}
	return nil
}

func loadCrowd(ctx context.Context, server *apiserver.Server, from, to int) error {
	parts := []iter.Seq2[apiserver.Record, error]{apiserver.Pods(from, to)}
	if from == 0 {
		parts = append(parts, apiserver.Ground())
	}
	for _, part := range parts {
		if err := server.Load(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// defineKinds creates deploy/crds, with no object of them.
func defineKinds(ctx context.Context, server *apiserver.Server) error {
	files, err := filepath.Glob("deploy/crds/*.yaml")
	if err == nil && len(files) == 0 {
		err = errors.New("there is no deploy/crds here; run it from the root of the repository")
	}
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := server.Create(ctx, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", string(text)); err != nil {
			return fmt.Errorf("create %s: %w", file, err)
		}
	}
	return nil
}

// resident starts an enforcer and measures it until it has come to rest.
func (s *stage) resident(ctx context.Context, t *table, server *apiserver.Server, home *home, c crowd) (err error) {
	folder, err := s.room("resident")
	if err != nil {
		return err
	}
	e, err := startResident(s.binaries.Enforcer, server, home, folder)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, e.Tail())
		}
		err = errors.Join(err, e.close())
	}()
	t.progress("apiserver: the enforcer reads the cluster")
	took, err := e.inForce(ctx, 1)
	if err != nil {
		return err
	}
	first, err := usageOf(e.PID())
	if err != nil {
		return err
	}
	t.progress("apiserver: the enforcer comes to rest")
	rest, err := e.rests(ctx)
	if err != nil {
		return err
	}
	t.figure(figure{name: "memory once all is in force", value: rest.resident / 1e6, unit: megabytes, goal: atMost(c.memory),
		beside: fmt.Sprintf("%s its own, %s of files, mostly the program", megabytes.write(rest.anonymous/1e6), megabytes.write(rest.file/1e6))})
	t.figure(figure{name: "memory at the most, while the cluster is read", value: rest.peak / 1e6, unit: megabytes})
	t.figure(figure{name: "memory of the kernel's tables", value: rest.kernel / 1e6, unit: megabytes})
	t.figure(figure{name: "CPU when nothing happens, over 30 s", value: rest.idle, unit: share, goal: atMost(0.001)})
	t.figure(figure{name: "from the program's start to the policy in force", value: float64(took), unit: elapsed,
		beside: fmt.Sprintf("%s of CPU", threeDigits(first.cpu))})
	if err := e.changes(ctx, t, server, c.pods); err != nil {
		return err
	}
	last, err := usageOf(e.PID())
	if err != nil {
		return err
	}
	if rest, err = e.rests(ctx); err != nil {
		return err
	}
	t.figure(figure{name: "memory once these changes have settled", value: rest.resident / 1e6, unit: megabytes, goal: atMost(c.memory),
		beside: megabytes.write(last.resident/1e6) + " right after them, " + megabytes.write(max(last.resident, rest.peak)/1e6) + " at the most"})
	return nil
}

// home is where the API server and the enforcer run, and where this node's pods
// end.
type home struct{ node, pods *scene.Netspace }

func newHome(name string) (_ *home, err error) {
	h := &home{}
	if h.node, err = scene.NewNetspace(name); err != nil {
		return nil, err
	}
	if h.pods, err = scene.NewNetspace(name + "-pods"); err != nil {
		return nil, errors.Join(err, h.close())
	}
	// One more, for the pod that comes.
	for n := range apiserver.Local + 1 {
		if err := h.connect(n); err != nil {
			return nil, errors.Join(fmt.Errorf("connect a pod: %w", err), h.close())
		}
	}
	return h, nil
}

func (h *home) close() error {
	var errs []error
	for _, n := range []*scene.Netspace{h.node, h.pods} {
		if n != nil {
			errs = append(errs, n.Remove())
		}
	}
	return errors.Join(errs...)
}

// resident is an enforcer that runs.
type resident struct {
	*product.Process
	log, pins string
	began     time.Time
}

const residentMetrics = "127.0.0.1:9099"

func startResident(enforcer string, server *apiserver.Server, h *home, folder string) (*resident, error) {
	e := &resident{log: filepath.Join(folder, "enforcer.log"), pins: filepath.Join(folder, "bpf")}
	cache := filepath.Join(folder, "cni")
	for _, dir := range []string{e.pins, cache} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, err
		}
	}
	if err := product.MountBPF(e.pins); err != nil {
		return nil, err
	}
	var err error
	e.began = time.Now()
	e.Process, err = product.Launch(h.node, e.log, "", enforcer, "--kubeconfig", server.Kubeconfig, "--node", apiserver.Here,
		"--pin", filepath.Join(e.pins, "nameward"), "--metrics", residentMetrics, "--cni-cache", cache, "--netns", cache)
	if err != nil {
		return nil, errors.Join(err, product.UnmountBPF(e.pins))
	}
	return e, nil
}

func (e *resident) close() error {
	e.Stop()
	return product.UnmountBPF(e.pins)
}
