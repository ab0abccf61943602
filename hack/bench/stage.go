package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/nameward/nameward/hack/demo/scene"
)

// stage is where running programs are measured: a node of network namespaces,
// which is taken away at the end.
type stage struct {
	scene    *scene.Scene
	node     *scene.Netspace
	binaries binaries
	// folder holds the run's files.
	folder string
}

func newStage(t *table, b binaries) (_ *stage, err error) {
	t.progress("building the scene")
	folder, err := os.MkdirTemp(scene.Private, "nameward-")
	if err != nil {
		return nil, fmt.Errorf("create the run's folder: %w", err)
	}
	s, err := scene.New(fmt.Sprintf("nwbench%d", os.Getpid()))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	return &stage{scene: s, node: s.Node, binaries: b, folder: folder}, nil
}

func (s *stage) close() error { return errors.Join(s.scene.Close(), os.RemoveAll(s.folder)) }

// room makes a folder of a section's own.
func (s *stage) room(name string) (string, error) {
	folder, err := os.MkdirTemp(s.folder, name+"-")
	if err != nil {
		return "", fmt.Errorf("create a section's folder: %w", err)
	}
	return folder, nil
}
