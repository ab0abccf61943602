package cniconf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/nameward/nameward/enforcer/chain"
)

const (
	// grace is how long an error may last before it is told: a CNI that
	// writes its file piece by piece leaves it broken for a moment.
	grace = time.Second
	// anyway is how often the files are looked at without being told.
	anyway = 30 * time.Second
)

// Watch keeps the plugin installed until ctx ends, and then leaves it: an
// enforcer that is replaced must not open a gap. A node's CNI that comes up
// later, or writes its configuration again, has the plugin behind it within
// milliseconds. What Watch does and cannot do goes to log; it returns an error
// only where it can no longer see the files.
func Watch(ctx context.Context, p Place, binary string, config chain.Config, log *slog.Logger) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch CNI configurations: %w", err)
	}
	defer watcher.Close()
	for _, dir := range []string{p.ConfDir, p.BinDir} {
		if err := watcher.Add(dir); err != nil {
			return fmt.Errorf("watch %s: %w", dir, err)
		}
	}
	w := &watch{place: p, binary: binary, config: config, log: log}
	for {
		again := time.NewTimer(w.settle())
		select {
		case <-ctx.Done():
			again.Stop()
			return nil
		case event, ok := <-watcher.Events:
			if !ok || event.Has(fsnotify.Remove) && (event.Name == p.ConfDir || event.Name == p.BinDir) {
				return fmt.Errorf("watch CNI configurations: %s has gone", event.Name)
			}
		case err, ok := <-watcher.Errors:
			if !ok || !errors.Is(err, fsnotify.ErrEventOverflow) {
				return fmt.Errorf("watch CNI configurations: %w", err)
			}
		case <-again.C:
		}
		again.Stop()
	}
}

// watch is one Watch in progress.
type watch struct {
	place  Place
	binary string
	config chain.Config
	log    *slog.Logger
	// failing is the error that lasts, since when, and whether it was told.
	failing string
	since   time.Time
	told    bool
}

// settle installs, and returns after what time to do so unasked.
func (w *watch) settle() time.Duration {
	changed, err := Install(w.place, w.binary, w.config)
	for _, path := range changed {
		w.log.Info("CNI plugin installed", "file", path)
	}
	if err == nil {
		if w.told {
			w.log.Info("CNI plugin is in the chain")
		}
		w.failing, w.told = "", false
		return anyway
	}
	if w.failing != err.Error() {
		w.failing, w.since, w.told = err.Error(), time.Now(), false
	}
	if time.Since(w.since) < grace {
		return grace
	}
	if !w.told {
		w.told = true
		w.tell(err)
	}
	return anyway
}

func (w *watch) tell(err error) {
	if errors.Is(err, ErrNoConfig) {
		w.log.Info("CNI plugin waits for the node's CNI", "err", err)
		return
	}
	w.log.Error("CNI plugin is not in the chain: new pods have the start posture until their policy is in the kernel", "err", err)
}
