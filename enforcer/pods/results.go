package pods

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// largest is more than any result needs, in bytes: annotations are part of it.
const largest = 4 << 20

// results follows libcni's directory of cached results. Owned by one goroutine.
type results struct {
	dir, podSide string // dir is "" where there is no cache
	log          *slog.Logger
	watcher      *fsnotify.Watcher
	// watched is the directory that is, or the nearest one above: the first
	// pod of a node makes the directory.
	watched string
	files   map[string]cached
}

// cached is one file: what it said when it was as old and large as this. A
// file that says nothing about a pod is remembered, too.
type cached struct {
	at   time.Time
	size int64
	fact *fact
	bad  error
}

func followResults(dir, podSide string, log *slog.Logger) (*results, error) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch the CNI cache: %w", err)
	}
	return &results{dir: dir, podSide: podSide, log: log, watcher: watcher, files: make(map[string]cached)}, nil
}

func (r *results) close() { r.watcher.Close() }

// refresh reads what is new in the directory, and forgets what is gone.
func (r *results) refresh() {
	if r.dir == "" {
		return
	}
	r.watch()
	entries, err := os.ReadDir(r.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.log.Error("the CNI cache cannot be read, so that pods are looked for by other means", "dir", r.dir, "err", err)
	}
	now := make(map[string]cached, len(entries))
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			now[e.Name()] = r.file(e.Name(), info)
		}
	}
	r.files = now
}

// again reads one file that an event named.
func (r *results) again(name string) {
	info, err := os.Lstat(filepath.Join(r.dir, name))
	if err != nil || !info.Mode().IsRegular() {
		delete(r.files, name)
		return
	}
	r.files[name] = r.file(name, info)
}

func (r *results) file(name string, info fs.FileInfo) cached {
	last, known := r.files[name]
	if known && last.bad == nil && last.at.Equal(info.ModTime()) && last.size == info.Size() {
		return last
	}
	c := cached{at: info.ModTime(), size: info.Size()}
	if c.size > largest {
		c.bad = fmt.Errorf("it has more than %d bytes", largest)
		return c
	}
	text, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		c.bad = err
		return c
	}
	f, ok, err := parseCache(text, r.podSide)
	if c.bad = err; ok {
		f.at, f.source = c.at, "the CNI cache ("+name+")"
		c.fact = &f
	}
	return c
}

// watch moves the watch to the directory, as soon as it is there.
func (r *results) watch() {
	if r.watched == r.dir {
		return
	}
	for range 3 { // again where it was made while the one above was tried
		dir := r.dir
		for r.watcher.Add(dir) != nil && dir != filepath.Dir(dir) {
			dir = filepath.Dir(dir)
		}
		if r.watched != "" && r.watched != dir {
			_ = r.watcher.Remove(r.watched) // gone is as good
		}
		r.watched = dir
		if _, err := os.Stat(r.dir); dir == r.dir || err != nil {
			return
		}
	}
}

// happened takes an event of the watcher, and says whether a fact may have
// changed by it.
func (r *results) happened(event fsnotify.Event) bool {
	if event.Name == r.watched && event.Has(fsnotify.Remove|fsnotify.Rename) {
		_ = r.watcher.Remove(r.watched) // gone is as good
		r.watched = ""
	}
	if r.watched != r.dir {
		r.refresh()
		return r.watched == r.dir
	}
	if filepath.Dir(event.Name) != r.dir {
		return false
	}
	r.again(filepath.Base(event.Name))
	return true
}

// unreadable is a file that cannot be read, and why, or nil: the first by name,
// so that it is the same each time.
func (r *results) unreadable() error {
	for _, name := range slices.Sorted(maps.Keys(r.files)) {
		if err := r.files[name].bad; err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(r.dir, name), err)
		}
	}
	return nil
}
