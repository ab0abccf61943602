package manifests

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// quiet is how long a folder must be still before it is read, so that
	// files that change together are seen together.
	quiet = 20 * time.Millisecond
	// patience bounds the wait for a folder that is never still.
	patience = time.Second
)

// Watch calls use with a snapshot of the folder, and with a new one whenever
// its files change, until ctx ends; then it returns nil. use is called from
// the goroutine of Watch, never twice at once.
//
// The first snapshot must be good: otherwise Watch returns the error of Load.
// Later a folder that Load refuses leaves the last good snapshot in use, and
// the error is logged once. Files are best put in place by renaming, as
// ConfigMap mounts do: one that is written piece by piece may be read in
// between. Behind a symbolic link that points out of the folder, changes are
// seen only when the link is replaced.
func Watch(ctx context.Context, dir string, log *slog.Logger, use func(*Snapshot)) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching the folder of manifests: %w", err)
	}
	defer watcher.Close()
	w := &watch{dir: filepath.Clean(dir), watcher: watcher, log: log, use: use}
	if err := watcher.Add(filepath.Dir(w.absolute())); err != nil {
		log.Warn("the folder above cannot be watched, so a new folder of the same name is not noticed", "dir", dir, "err", err)
	}
	if err := w.follow(); err != nil {
		return err
	}
	if err := w.first(); err != nil {
		return err
	}
	w.run(ctx)
	return nil
}

// watch is one Watch in progress, owned by its goroutine.
type watch struct {
	dir     string
	watcher *fsnotify.Watcher
	log     *slog.Logger
	use     func(*Snapshot)
	// good is the state of the folder that is in use.
	good [sha256.Size]byte
	// refused is the error that was logged last, "" while all is well.
	refused string
}

// absolute is the folder's path without following a link that it may be.
func (w *watch) absolute() string {
	path, err := filepath.Abs(w.dir)
	if err != nil {
		return w.dir
	}
	return path
}

// follow begins anew with whatever folder has the name now.
func (w *watch) follow() error {
	_ = w.watcher.Remove(w.absolute()) // not watched is as good
	if err := w.watcher.Add(w.absolute()); err != nil {
		return fmt.Errorf("watching the folder of manifests %s: %w", w.dir, err)
	}
	return nil
}

func (w *watch) first() error {
	files, err := readFolder(w.dir)
	if err != nil {
		return err
	}
	snapshot, err := parse(files)
	if err != nil {
		return err
	}
	w.good = fingerprint(files)
	w.use(snapshot)
	return nil
}

func (w *watch) run(ctx context.Context) {
	var still, late <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case event := <-w.watcher.Events:
			if !w.concerns(event) {
				continue
			}
			still = time.After(quiet)
			if late == nil {
				late = time.After(patience)
			}
			continue
		case err := <-w.watcher.Errors:
			// Events were lost; reading again finds what they told.
			w.log.Warn("watching the folder of manifests", "dir", w.dir, "err", err)
		case <-still:
		case <-late:
		}
		still, late = nil, nil
		w.again()
	}
}

// concerns says whether the files of the folder may have changed. A folder
// that is new under the old name is watched from here on.
func (w *watch) concerns(event fsnotify.Event) bool {
	self := w.absolute()
	if event.Name == self {
		if event.Has(fsnotify.Create) {
			if err := w.follow(); err != nil {
				w.log.Error("manifests cannot be watched", "dir", w.dir, "err", err)
			}
		}
		return true
	}
	return filepath.Dir(event.Name) == self
}

// again reads the folder and hands on what is new and good.
func (w *watch) again() {
	files, err := readFolder(w.dir)
	if err != nil {
		w.refuse(err)
		return
	}
	var snapshot *Snapshot
	sum := fingerprint(files)
	if sum != w.good {
		if snapshot, err = parse(files); err != nil {
			w.refuse(err)
			return
		}
	}
	if w.refused != "" {
		w.refused = ""
		w.log.Info("manifests are good again", "dir", w.dir)
	}
	if snapshot != nil {
		w.good = sum
		w.use(snapshot)
	}
}

func (w *watch) refuse(err error) {
	if err.Error() == w.refused {
		return
	}
	w.refused = err.Error()
	w.log.Error("manifests are refused, the last good state stays in use", "dir", w.dir, "err", err)
}
