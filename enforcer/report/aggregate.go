package report

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

const (
	// heartbeat is how often a node writes its Lease when there is nothing to
	// say, up to a quarter more. 5,000 nodes: some 75 writes a second.
	heartbeat = time.Minute
	// overdue is when a node counts as silent: after two heartbeats missed.
	overdue = 3 * time.Minute
)

// heard is a node's last report and when it was heard, by the listener's clock.
type heard struct {
	nodeReport
	when time.Time
}

// hear judges when a report was heard. Changes are heard when they are seen,
// whatever the node's clock says. Of a report that was there before the listener
// came, only its own date is known: an old one was not just heard, and a clock
// that lags is found out by the next heartbeat.
func hear(last heard, known bool, r nodeReport, now time.Time) heard {
	switch {
	case known && last.At.Equal(r.At):
		return heard{r, last.when}
	case known || r.At.After(now):
		return heard{r, now}
	default:
		return heard{r, r.At}
	}
}

// standing is how far a node is with a kind.
type standing struct {
	node    string
	version version
}

// roll is all nodes of the cluster by what they can be counted for.
type roll struct {
	total int
	// absent have never reported, silent not for too long, leaky have pods
	// without filter: they enforce nothing that could be relied on.
	absent []string
	silent []absence
	leaky  []leak
	// kinds has the other nodes, the furthest first.
	kinds map[Kind][]standing
}

type absence struct {
	node  string
	since time.Time
}

type leak struct {
	node string
	pods int
}

// callRoll sorts nodes, whose names must be unique, by their reports.
func callRoll(nodes []string, reports map[string]heard, now time.Time) *roll {
	r := &roll{total: len(nodes), kinds: make(map[Kind][]standing, len(Kinds))}
	for _, k := range Kinds {
		if serving[k].status {
			r.kinds[k] = make([]standing, 0, len(nodes))
		}
	}
	keys := make(map[Kind]string, len(r.kinds))
	for k := range r.kinds {
		keys[k] = k.String()
	}
	for _, name := range nodes {
		h, ok := reports[name]
		switch {
		case !ok:
			r.absent = append(r.absent, name)
		case now.Sub(h.when) > overdue:
			r.silent = append(r.silent, absence{name, h.At})
		case h.Unpoliced > 0:
			r.leaky = append(r.leaky, leak{name, h.Unpoliced})
		default:
			for k, key := range keys {
				r.kinds[k] = append(r.kinds[k], standing{name, h.Kinds[key].Version})
			}
		}
	}
	r.sort()
	return r
}

func (r *roll) sort() {
	slices.Sort(r.absent)
	slices.SortFunc(r.silent, func(a, b absence) int { return strings.Compare(a.node, b.node) })
	slices.SortFunc(r.leaky, func(a, b leak) int { return strings.Compare(a.node, b.node) })
	for _, all := range r.kinds {
		slices.SortFunc(all, func(a, b standing) int {
			return cmp.Or(b.version.compare(a.version), strings.Compare(a.node, b.node))
		})
	}
}

// reached is how many of the furthest nodes have v in force.
func reached(all []standing, v version) int {
	n, _ := slices.BinarySearchFunc(all, v, func(s standing, v version) int {
		if s.version.covers(v) {
			return -1
		}
		return 1
	})
	return n
}

// proofs finds, for each kind, the lowest version at which a node has exactly
// the policies of l in force.
func proofs(l *ledger, reports map[string]heard) map[Kind]inForce {
	found := make(map[Kind]inForce, len(Kinds))
	for k, set := range l.sets {
		key := k.String()
		for _, h := range reports {
			f, ok := h.Kinds[key]
			if !ok || uint64(f.Set) != set {
				continue
			}
			if lowest, ok := found[k]; !ok || lowest.Version.covers(f.Version) {
				found[k] = f
			}
		}
	}
	return found
}

// aggregate works out what the policies of l that have a status should say.
func aggregate(l *ledger, r *roll) []wanted {
	all := make([]wanted, 0, len(l.entries))
	tail := r.tail()
	for i := range l.entries {
		p := &l.state.Policies[i]
		k := KindOf(p.Ref)
		if !serving[k].status {
			continue
		}
		all = append(all, wanted{
			policy:   p,
			since:    l.entries[i].since,
			accepted: accepted(p),
			enforced: r.enforced(k, l.entries[i].since, tail),
		})
	}
	return all
}
