package cniconf

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/nameward/nameward/enforcer/chain"
)

// D9: while Watch runs, the chain has the plugin whatever the node's CNI does,
// and it stays there when Watch ends, as in a rolling update.
func TestWatchD9(t *testing.T) {
	dir, p := node(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Watch(ctx, p, binaryIn(dir), testConfig, slog.New(slog.DiscardHandler)) }()

	list := filepath.Join(p.ConfDir, "10-lab.conflist")
	plugin := filepath.Join(p.BinDir, chain.Plugin)
	await(t, p.BinDir, "the binary ahead of any configuration", func() bool { return exists(plugin) })
	for _, c := range []struct {
		name string
		does func()
	}{
		{"a CNI that comes up later", func() { write(t, list, theList) }},
		{"a CNI that writes its file again", func() { write(t, list, theList) }},
		{"a CNI that puts a new file in its place", func() {
			write(t, list+".tmp", theList)
			if err := os.Rename(list+".tmp", list); err != nil {
				t.Error(err)
			}
		}},
		{"a CNI that writes piece by piece", func() { writeSlowly(t, list) }},
		{"somebody who deletes plugins", func() {
			if err := os.Remove(plugin); err != nil {
				t.Error(err)
			}
		}},
	} {
		c.does()
		await(t, p.ConfDir, c.name, func() bool {
			text, err := os.ReadFile(list)
			return err == nil && Names(text) && exists(plugin)
		})
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Watch: %v", err)
	}
	startable(t, dir, p)
	if !slices.Contains(types(inUse(t, p)), chain.Plugin) {
		t.Error("the plugin went with Watch, want it to stay")
	}
}

func writeSlowly(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []byte(theList) {
		if _, err := f.Write([]byte{c}); err != nil {
			t.Error(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// await waits for events of a directory, or of its neighbour, until they have
// led to what is wanted.
func await(t *testing.T, dir, what string, done func() bool) {
	t.Helper()
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Close()
	parent := filepath.Dir(dir)
	for _, d := range []string{filepath.Join(parent, "net.d"), filepath.Join(parent, "bin")} {
		if err := watcher.Add(d); err != nil {
			t.Fatal(err)
		}
	}
	late := time.After(10 * time.Second)
	for !done() {
		select {
		case <-watcher.Events:
		case <-late:
			t.Fatalf("%s: not installed", what)
		}
	}
}
