package grants

import (
	"container/heap"
	"time"
)

// agenda orders entries by when they are due.
type agenda []*entry

// absent is the index of an entry that is not in the agenda.
const absent = -1

// put adds an entry, or moves it to where its due time belongs.
func (a *agenda) put(e *entry) {
	if e.index == absent {
		heap.Push(a, e)
	} else {
		heap.Fix(a, e.index)
	}
}

func (a *agenda) drop(e *entry) {
	if e.index != absent {
		heap.Remove(a, e.index)
	}
}

// Len is part of heap.Interface, as are the four that follow.
func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].due < a[j].due }
func (a agenda) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].index, a[j].index = i, j
}

func (a *agenda) Push(x any) {
	e := x.(*entry)
	e.index = len(*a)
	*a = append(*a, e)
}

func (a *agenda) Pop() any {
	last := len(*a) - 1
	e := (*a)[last]
	(*a)[last] = nil
	*a = (*a)[:last]
	e.index = absent
	return e
}

// Next returns when Expire and Due have to be called next; false means not
// before the next answer.
func (b *Book) Next() (time.Duration, bool) {
	var at time.Duration
	due := len(b.agenda) > 0
	if due {
		at = b.agenda[0].due
	}
	for _, from := range b.wanted {
		if !due || from < at {
			at, due = from, true
		}
	}
	return at, due
}

// Expire brings up to date what is due. What has expired opens nothing, and ends
// when Hold has not found its connections. Entries that go on with fewer patterns are
// returned as grants, a Lead before the kernel would end them if it is called
// as Next says.
func (b *Book) Expire(now time.Duration) Change {
	var c Change
	for len(b.agenda) > 0 && b.agenda[0].due <= now {
		b.settle(b.agenda[0], now, &c)
	}
	return c.sorted()
}
