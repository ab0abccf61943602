package datapath

import (
	"maps"

	"github.com/cilium/ebpf"

	"github.com/nameward/nameward/enforcer/policy"
)

// rows is the kernel's table of rows. Lists are immutable and shared between
// Tables, so one that is there already costs no look at its rows.
type rows struct {
	*table[policy.RowKey, policy.Precedence]
	// lists are known to be in the kernel in full; what else is there of a
	// list is not said.
	lists map[policy.ListID]*policy.List
	// exact are the lists of which nothing else is there.
	exact map[policy.ListID]*policy.List
	// cells are the keys in the kernel by list, those of name classes aside.
	cells map[policy.ListID]map[policy.Cell]struct{}
	names map[policy.RowKey]struct{}
}

func newRows(cfg *Config, kernel *ebpf.Map) *rows {
	return &rows{
		table: newTable(cfg, "rows", kernel, func(k policy.RowKey) any { return rowKey(k) },
			func(p policy.Precedence) any { return uint32(p) }),
		lists: make(map[policy.ListID]*policy.List),
		exact: make(map[policy.ListID]*policy.List),
		cells: make(map[policy.ListID]map[policy.Cell]struct{}),
		names: make(map[policy.RowKey]struct{}),
	}
}

// rowCount is how many rows t has.
func rowCount(t *policy.Tables) int {
	n := len(t.NameRows)
	for _, list := range t.Lists {
		n += len(list.Rows)
	}
	return n
}

// add writes the rows of t that the kernel has not.
func (r *rows) add(t *policy.Tables) error {
	for id, list := range t.Lists {
		if r.lists[id] == list {
			continue
		}
		if err := r.addList(id, list); err != nil {
			return err
		}
	}
	return r.addNames(t.NameRows)
}

func (r *rows) addList(id policy.ListID, list *policy.List) error {
	delete(r.lists, id)
	delete(r.exact, id)
	cells := r.cells[id]
	if cells == nil {
		cells = make(map[policy.Cell]struct{}, len(list.Rows))
		r.cells[id] = cells
	}
	for cell, row := range list.Rows {
		if err := r.put(policy.RowKey{List: id, Cell: cell}, row); err != nil {
			return err
		}
		cells[cell] = struct{}{}
	}
	r.lists[id] = list
	return nil
}

// addNames writes the rows of name classes.
func (r *rows) addNames(want map[policy.RowKey]policy.Precedence) error {
	for key, row := range want {
		if err := r.put(key, row); err != nil {
			return err
		}
		r.names[key] = struct{}{}
	}
	return nil
}

// prune removes the rows that t has not.
func (r *rows) prune(t *policy.Tables) error {
	for id := range r.cells {
		if list := t.Lists[id]; list == nil || r.exact[id] != list {
			if err := r.pruneList(id, list); err != nil {
				return err
			}
		}
	}
	for key := range maps.Clone(r.names) {
		if _, ok := t.NameRows[key]; ok {
			continue
		}
		if err := r.remove(key); err != nil {
			return err
		}
		delete(r.names, key)
	}
	return nil
}

// pruneList leaves the rows of list, or none where it is nil.
func (r *rows) pruneList(id policy.ListID, list *policy.List) error {
	delete(r.exact, id)
	for cell := range r.cells[id] {
		if list != nil {
			if _, ok := list.Rows[cell]; ok {
				continue
			}
		}
		if err := r.remove(policy.RowKey{List: id, Cell: cell}); err != nil {
			return err
		}
		delete(r.cells[id], cell)
	}
	if list == nil {
		delete(r.cells, id)
		delete(r.lists, id)
		return nil
	}
	r.exact[id] = list
	return nil
}

// fits says whether t's rows can be added before others are removed.
func (r *rows) fits(t *policy.Tables) bool {
	size := len(r.have)
	for id, list := range t.Lists {
		if r.lists[id] == list {
			continue
		}
		for cell := range list.Rows {
			if _, ok := r.have[policy.RowKey{List: id, Cell: cell}]; !ok {
				size++
			}
		}
	}
	for key := range t.NameRows {
		if _, ok := r.have[key]; !ok {
			size++
		}
	}
	return size <= int(r.kernel.MaxEntries())
}
