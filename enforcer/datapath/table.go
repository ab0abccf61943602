package datapath

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// UpdateError is a table that the kernel refused to change. Nothing half
// applied is visible to packets: the caller applies the same state again.
type UpdateError struct {
	// Table is the kernel's name of it.
	Table string
	Err   error
}

func (e *UpdateError) Error() string { return fmt.Sprintf("update table %s: %v", e.Table, e.Err) }

func (e *UpdateError) Unwrap() error { return e.Err }

// table is a kernel hash or trie together with what is known to be in it.
// Changing it is finding the difference, so an update that stopped half way is
// finished by doing it again.
type table[K, V comparable] struct {
	name   string
	kernel *ebpf.Map
	key    func(K) any
	value  func(V) any
	have   map[K]V
	cfg    *Config
	// whole is the map that is in the kernel, itself, or nil while that is not
	// known: maps of Tables never change, so to meet it again is to be done.
	whole map[K]V
}

func newTable[K, V comparable](cfg *Config, name string, kernel *ebpf.Map, key func(K) any, value func(V) any) *table[K, V] {
	return &table[K, V]{name: name, kernel: kernel, key: key, value: value, have: make(map[K]V), cfg: cfg}
}

// holds says whether the kernel has exactly that map, by being told before.
func (t *table[K, V]) holds(m map[K]V) bool {
	return t.whole != nil && reflect.ValueOf(t.whole).UnsafePointer() == reflect.ValueOf(m).UnsafePointer()
}

// add writes what want has and the kernel has not, or not so.
func (t *table[K, V]) add(want map[K]V) error {
	if t.holds(want) {
		return nil
	}
	t.whole = nil
	for k, v := range want {
		if err := t.put(k, v); err != nil {
			return err
		}
	}
	return nil
}

// put writes one entry unless it is there.
func (t *table[K, V]) put(k K, v V) error {
	if have, ok := t.have[k]; ok && have == v {
		return nil
	}
	key, value := t.key(k), t.value(v)
	if err := t.cfg.write(t.name, func() error { return t.kernel.Put(key, value) }); err != nil {
		return err
	}
	t.have[k] = v
	return nil
}

// prune removes what want has not. What want has is there.
func (t *table[K, V]) prune(want map[K]V) error {
	if t.holds(want) {
		return nil
	}
	for k := range t.have {
		if _, ok := want[k]; ok {
			continue
		}
		if err := t.remove(k); err != nil {
			return err
		}
	}
	t.whole = want
	return nil
}

// remove takes one entry away.
func (t *table[K, V]) remove(k K) error {
	key := t.key(k)
	err := t.cfg.write(t.name, func() error { return t.kernel.Delete(key) })
	if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return err
	}
	delete(t.have, k)
	return nil
}

// fits says whether want can be added before anything else is removed.
func (t *table[K, V]) fits(want map[K]V) bool {
	if t.holds(want) {
		return true
	}
	size := len(t.have)
	for k := range want {
		if _, ok := t.have[k]; !ok {
			size++
		}
	}
	return size <= int(t.kernel.MaxEntries())
}

// persist tries again what the kernel refuses for a moment only: EBUSY where a
// bucket is locked on this CPU (before 6.15), ENOMEM where a trie cannot
// allocate at once. Everything else, and what lasts, is the caller's.
func persist(update func() error) error {
	err := update()
	for pause := 100 * time.Microsecond; pause < 10*time.Millisecond; pause *= 3 {
		if !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.ENOMEM) && !errors.Is(err, unix.EAGAIN) {
			return err
		}
		time.Sleep(pause)
		err = update()
	}
	return err
}
