package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/nameward/nameward/hack/demo/product"
	"github.com/nameward/nameward/hack/demo/scene"
)

// onStage measures what needs running programs, on a node of network
// namespaces, and takes the node away.
func onStage(ctx context.Context, t *table, b product.Binaries) (err error) {
	t.progress("building the scene")
	folder, err := os.MkdirTemp(scene.Private, "nameward-")
	if err != nil {
		return fmt.Errorf("create the run's folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	s, err := scene.New(fmt.Sprintf("nwbench%d", os.Getpid()))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := throughput(ctx, t, &stage{node: s.Node, folder: folder, coredns: b.CoreDNS}); err != nil {
		return because(ctx, err)
	}
	return firstAnswers(ctx, t, s, folder, b)
}

// stage is where CoreDNS is measured without an enforcer.
type stage struct {
	node            *scene.Netspace
	folder, coredns string
}
