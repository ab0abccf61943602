package datapath

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// takeTurn is how often a lock that somebody has is tried again.
const takeTurn = 20 * time.Millisecond

// ShutAway puts the posture on one interface more while no enforcer runs, for the
// next one to take over (D9): where a pod starts without being asked for, or on a
// node that has just booted, nobody else would. What predecessors have shut gets
// the posture, too; filters of pods stay as they are.
//
// cfg is that of the enforcer to come, which has to pin. Those who call it at once
// wait for each other. Each loads programs, and lets go of those that the one before
// had loaded: many new interfaces cost the memory of one load.
//
// Returns ErrInUse where an enforcer runs, which sees the interface by itself;
// ErrNotBPF, ErrPrivilege, or ctx's error.
func ShutAway(ctx context.Context, cfg Config, on Interface, posture Posture) error {
	turn, err := await(ctx, filepath.Join(cfg.Pin, "shut"))
	if err != nil {
		return err
	}
	defer turn.Close()
	cfg.impatient = true
	d, err := Open(cfg)
	if err != nil {
		return err
	}
	all := []Interface{on}
	for ifindex := range d.shut {
		all = append(all, Interface{Index: ifindex})
	}
	return errors.Join(d.Shut(all, posture), d.Close())
}

// await creates a directory and locks it. The pin directory is locked by whoever
// owns it; the callers of ShutAway have another one among themselves, so that they
// do not take each other for an enforcer.
func await(ctx context.Context, dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create pin directory: %w", err)
	}
	turn, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open pin directory: %w", err)
	}
	for {
		err := unix.Flock(int(turn.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return turn, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock pin directory %s: %w", dir, err), turn.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), turn.Close())
		case <-time.After(takeTurn):
		}
	}
}

// IsShut says whether a predecessor left the interface shut. To be called before
// the first Shut and Apply.
func (d *Datapath) IsShut(ifindex int) bool {
	_, ok := d.shut[ifindex]
	return ok
}
