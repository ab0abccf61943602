package datapath

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/bpf"
	"github.com/nameward/nameward/enforcer/policy"
)

// state is what outlives a process and a program version.
type state struct {
	// dir is the pin directory, "" where nothing is pinned.
	dir string
	// lock is held on dir for as long as the process owns it.
	lock *os.File
	maps map[string]*ebpf.Map
}

// sharedMaps are the tables of the node that are state. Those of each pod are
// in pod.go.
var sharedMaps = []string{bpf.KernelMapWorld, bpf.KernelMapCounters, bpf.KernelMapDenials, bpf.KernelMapDenialsLost}

// ErrInUse is returned where another process owns the pin directory.
var ErrInUse = errors.New("another enforcer uses the pin directory")

// ErrNotBPF is returned where the pin directory is not on a BPF file system.
var ErrNotBPF = errors.New("not on a BPF file system (mount -t bpf bpf DIR)")

func openState(dir string, patience time.Duration) (*state, error) {
	s := &state{dir: dir, maps: make(map[string]*ebpf.Map)}
	spec, err := bpf.LoadKernel()
	if err != nil {
		return nil, fmt.Errorf("read programs: %w", err)
	}
	if err := mayCreate(spec.Maps[bpf.KernelMapWorld]); err != nil {
		return nil, err
	}
	if dir != "" {
		if err := s.own(patience); err != nil {
			return nil, err
		}
	}
	for _, name := range sharedMaps {
		m, err := s.open(spec.Maps[name], name)
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
		s.maps[name] = m
	}
	return s, nil
}

// mayCreate finds out about privileges before anything else: without them every
// later error would be about a file.
func mayCreate(spec *ebpf.MapSpec) error {
	m, err := ebpf.NewMap(spec)
	if err != nil {
		return fmt.Errorf("create a table: %w", createError(err))
	}
	return m.Close()
}

// ownPatience is how long an enforcer waits for the pin directory: a ShutAway may
// have it for a moment, and that is no other enforcer.
const ownPatience = 3 * time.Second

// own takes the pin directory, creating it where it is missing.
func (s *state) own(patience time.Duration) error {
	for _, dir := range []string{s.podsDir(), s.shutRoot()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("create pin directory: %w", err)
		}
	}
	var stat unix.Statfs_t
	if err := unix.Statfs(s.dir, &stat); err != nil {
		return fmt.Errorf("look at pin directory %s: %w", s.dir, err)
	}
	if stat.Type != unix.BPF_FS_MAGIC {
		return fmt.Errorf("pin directory %s: %w", s.dir, ErrNotBPF)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	lock, err := await(ctx, s.dir)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("pin directory %s: %w", s.dir, ErrInUse)
	}
	s.lock = lock
	return err
}

func (s *state) podsDir() string { return filepath.Join(s.dir, "pods") }

func (s *state) podDir(id policy.EndpointID) string {
	return filepath.Join(s.podsDir(), fmt.Sprintf("%016x", uint64(id)))
}

// pinnedPods are the pods that a predecessor, or this process, has pinned.
func (s *state) pinnedPods() ([]policy.EndpointID, error) {
	if s.dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(s.podsDir())
	if err != nil {
		return nil, fmt.Errorf("read pinned pods: %w", err)
	}
	var ids []policy.EndpointID
	for _, e := range entries {
		id, err := strconv.ParseUint(e.Name(), 16, 64)
		if err != nil {
			continue // not ours; nobody else's pins are touched
		}
		ids = append(ids, policy.EndpointID(id))
	}
	return ids, nil
}

// open takes over the pinned map of that name, or makes and pins a new one. What
// is in one of an earlier version, whose values were shorter, is copied (D8). One
// of another layout cannot be taken over; its content is lost, and a newer
// version says so in its release notes.
func (s *state) open(spec *ebpf.MapSpec, path ...string) (*ebpf.Map, error) {
	if s.dir == "" {
		m, err := ebpf.NewMap(spec)
		if err != nil {
			return nil, fmt.Errorf("create table %s: %w", spec.Name, createError(err))
		}
		return m, nil
	}
	pin := filepath.Join(append([]string{s.dir}, path...)...)
	m, err := ebpf.LoadPinnedMap(pin, nil)
	switch {
	case err == nil && sameLayout(m, spec):
		return m, nil
	case err == nil && grown(m, spec):
		return grow(m, spec, pin)
	case err == nil:
		err = errors.Join(m.Unpin(), m.Close())
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("take over %s: %w", pin, err)
	}
	m, err = ebpf.NewMap(spec)
	if err != nil {
		return nil, fmt.Errorf("create table %s: %w", spec.Name, createError(err))
	}
	if err := m.Pin(pin); err != nil {
		return nil, errors.Join(fmt.Errorf("pin table: %w", err), m.Close())
	}
	return m, nil
}

// sameLayout leaves the size out: a pod's tables keep the one they were made
// with. Reasons and directions index the counters, whose size is their layout.
func sameLayout(m *ebpf.Map, spec *ebpf.MapSpec) bool {
	return m.Type() == spec.Type && m.KeySize() == spec.KeySize && m.ValueSize() == spec.ValueSize &&
		m.Flags() == spec.Flags && (m.MaxEntries() == spec.MaxEntries || spec.Type != ebpf.PerCPUArray)
}

// grown says whether the values of a table have got longer since it was made.
// Only grants do: what else is pinned is longer only where it is another thing.
func grown(m *ebpf.Map, spec *ebpf.MapSpec) bool {
	return spec.Name == bpf.KernelMapGrants && m.Type() == spec.Type && m.KeySize() == spec.KeySize &&
		m.ValueSize() < spec.ValueSize && m.Flags() == spec.Flags
}

// grow puts a table with longer values in the place of a pinned one. The programs
// of the predecessor keep theirs until they are replaced.
func grow(old *ebpf.Map, spec *ebpf.MapSpec, pin string) (*ebpf.Map, error) {
	defer old.Close()
	spec = spec.Copy()
	spec.MaxEntries = old.MaxEntries()
	m, err := ebpf.NewMap(spec)
	if err != nil {
		return nil, fmt.Errorf("create table %s: %w", spec.Name, createError(err))
	}
	err = readGrants(old, func(key bpf.KernelAddress, value bpf.KernelGrant) error { return m.Put(key, value) })
	if err == nil {
		err = replacePin(m, pin)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("take over %s from an earlier version: %w", pin, err), m.Close())
	}
	return m, nil
}

// replacePin pins in one step, so that no moment is without a table to find.
func replacePin(m *ebpf.Map, pin string) error {
	beside := pin + "_new"
	if err := ignoreMissing(os.Remove(beside)); err != nil {
		return err
	}
	if err := m.Pin(beside); err != nil {
		return err
	}
	return os.Rename(beside, pin)
}

func createError(err error) error {
	if errors.Is(err, unix.EPERM) {
		return ErrPrivilege
	}
	return err
}

func (s *state) replacements() map[string]*ebpf.Map { return s.maps }

func (s *state) close() error {
	var errs []error
	for _, m := range s.maps {
		errs = append(errs, m.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}
