package report

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	coordination "k8s.io/api/coordination/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// spacing is the shortest time between two writes of a node's Lease.
	spacing = 2 * time.Second
	// crowd is how many Leases all nodes together should write in a second.
	crowd = 500
	// unpolicedAfter is how long a pod must be without filter to be counted in
	// the Lease: every change of the count makes all conditions anew.
	unpolicedAfter = 30 * time.Second
)

// agenda decides when a node's Lease is written. It is a value of one goroutine.
type agenda struct {
	written  nodeReport
	at       time.Time // of the last write; zero before the first
	beat     time.Time // when the next heartbeat is due
	wish     time.Time // when a change was to be written, zero for none
	retry    time.Time
	failures int
}

// due is when r should be written. With many nodes each waits a random while, so
// that a policy's change does not bring all their writes at once.
func (a *agenda) due(r nodeReport, nodes int, now time.Time) time.Time {
	at := a.beat
	if a.at.IsZero() || r.says(a.written) {
		if a.wish.IsZero() {
			a.wish = now
			if spread := time.Duration(nodes) * time.Second / crowd; spread > 0 {
				a.wish = now.Add(rand.N(spread))
			}
		}
		if next := a.at.Add(max(spacing, time.Duration(nodes)*time.Second/crowd)); !a.at.IsZero() && next.After(a.wish) {
			a.wish = next
		}
		if a.at.IsZero() || a.wish.Before(at) {
			at = a.wish
		}
	} else {
		a.wish = time.Time{}
	}
	if a.retry.After(at) {
		return a.retry
	}
	return at
}

func (a *agenda) wrote(r nodeReport, now time.Time) {
	*a = agenda{written: r, at: now, beat: now.Add(heartbeat + rand.N(heartbeat/4))}
}

// failed keeps trying at most every 10 s: the elected enforcer must not take a
// node for silent after the API server was away.
func (a *agenda) failed(now time.Time) {
	wait := min(10*time.Second, time.Second<<min(a.failures, 4))
	a.failures++
	a.retry = now.Add(wait/2 + rand.N(wait/2))
}

// lingering says how long pods have been without filter.
type lingering map[types.UID]time.Time

// follow takes the present ones, and returns those that have been for at least
// after, and when the next one will have.
func (l lingering) follow(present []Unpoliced, after time.Duration, now time.Time) (long []Unpoliced, next time.Time) {
	there := make(map[types.UID]struct{}, len(present))
	for _, u := range present {
		uid := types.UID(u.Pod.UID)
		there[uid] = struct{}{}
		since, known := l[uid]
		if !known {
			since, l[uid] = now, now
		}
		switch ripe := since.Add(after); {
		case !ripe.After(now):
			long = append(long, u)
		case next.IsZero() || ripe.Before(next):
			next = ripe
		}
	}
	for uid := range l {
		if _, ok := there[uid]; !ok {
			delete(l, uid)
		}
	}
	return long, next
}

// nodeLease is the Lease of a node.
func nodeLease(namespace, node string, owner types.UID, r nodeReport, now time.Time) *coordination.Lease {
	at := meta.NewMicroTime(now)
	seconds := int32(overdue / time.Second)
	return &coordination.Lease{
		TypeMeta: meta.TypeMeta{APIVersion: "coordination.k8s.io/v1", Kind: "Lease"},
		ObjectMeta: meta.ObjectMeta{
			Namespace: namespace, Name: leaseName(node),
			Labels:      map[string]string{partLabel: partNode},
			Annotations: map[string]string{nodeKey: node, reportKey: r.encode()},
			// The Lease goes when its node does.
			OwnerReferences: []meta.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: node, UID: owner}},
		},
		Spec: coordination.LeaseSpec{HolderIdentity: &node, RenewTime: &at, LeaseDurationSeconds: &seconds},
	}
}

// speaker writes this node's Lease.
type speaker struct {
	api             *api
	namespace, node string
	owner           types.UID // of the Node object; "" = to be asked
	book            *book
	clock           func() time.Time
	log             *slog.Logger
	changed         chan struct{} // capacity 1
	tell            func(Unpoliced)
	known           func(types.UID) // is told of the Node object

	agenda agenda
	pods   lingering
	away   streak
}

// run writes until ctx ends.
func (s *speaker) run(ctx context.Context) {
	s.pods = lingering{}
	for {
		timer := time.NewTimer(s.look(ctx))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-s.changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// look does what the newest State asks for, and says how long to wait. Before
// something was applied there is nothing to say, and the Lease of the process
// before stays: the kernel still has what that reported.
func (s *speaker) look(ctx context.Context) time.Duration {
	if l := s.book.newest(); l != nil && l.state.Applied != nil {
		return s.turn(ctx, l)
	}
	return time.Hour
}

// turn does what is due and says how long to wait for the next.
func (s *speaker) turn(ctx context.Context, l *ledger) time.Duration {
	now := s.clock()
	long, ripe := s.pods.follow(l.state.Unpoliced, unpolicedAfter, now)
	for _, u := range long {
		s.tell(u)
	}
	r := newReport(l, len(long), now)
	due := s.agenda.due(r, l.state.Nodes, now)
	if !due.After(now) {
		s.write(ctx, r, now)
		due = s.agenda.due(r, l.state.Nodes, now)
	}
	if !ripe.IsZero() && ripe.Before(due) {
		due = ripe
	}
	return max(10*time.Millisecond, due.Sub(s.clock()))
}

func (s *speaker) write(ctx context.Context, r nodeReport, now time.Time) {
	if err := s.put(ctx, r, now); err != nil {
		s.agenda.failed(now)
		if ctx.Err() == nil {
			s.away.tell(s.log, "cannot report to the API server what is in force on this node", err)
		}
		return
	}
	s.away.over(s.log, "reported to the API server again what is in force on this node")
	s.agenda.wrote(r, now)
}

// put writes the Lease. Where there was none although the owner is known from
// before, the node may have been made anew, and the garbage collector removes
// what has its former object for an owner.
func (s *speaker) put(ctx context.Context, r nodeReport, now time.Time) error {
	for {
		asked := s.owner == ""
		if asked {
			uid, err := s.api.nodeUID(ctx, s.node)
			if err != nil {
				return err
			}
			s.owner = uid
			s.known(uid)
		}
		created, err := s.api.apply(ctx, nodeLease(s.namespace, s.node, s.owner, r, now))
		if err != nil || !created || asked {
			return err
		}
		s.owner = ""
	}
}
