package report

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// paper is an API server that takes every status, and notes what it was asked.
type paper struct {
	*httptest.Server
	// hold is called for each request, under no lock.
	hold func()

	mu          sync.Mutex
	read, wrote []string // names, as they came
	now, most   int      // requests at the same time
	reports     []string // of Leases
}

func (s *paper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	name := path.Base(strings.TrimSuffix(r.URL.Path, "/status"))
	s.mu.Lock()
	s.now++
	s.most = max(s.most, s.now)
	switch {
	case strings.Contains(r.URL.Path, "/leases/"):
		var lease struct {
			Metadata struct{ Annotations map[string]string }
		}
		_ = json.Unmarshal(body, &lease)
		s.reports = append(s.reports, lease.Metadata.Annotations[reportKey])
	case r.Method == http.MethodPatch:
		s.wrote = append(s.wrote, name)
	default:
		s.read = append(s.read, name)
	}
	s.mu.Unlock()
	if s.hold != nil {
		s.hold()
	}
	s.mu.Lock()
	s.now--
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/status") {
		var object reviewed
		_ = json.Unmarshal(body, &object)
		object.Metadata.ResourceVersion = "1000"
		_ = json.NewEncoder(w).Encode(object)
		return
	}
	fmt.Fprintf(w, `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":%q,"uid":%q,"resourceVersion":"1000"}}`, name, name)
}

// paperwork is what a paper has been asked and told.
type paperwork struct {
	read, wrote, reports []string
	most                 int
}

func (s *paper) work() paperwork {
	s.mu.Lock()
	defer s.mu.Unlock()
	return paperwork{slices.Clone(s.read), slices.Clone(s.wrote), slices.Clone(s.reports), s.most}
}

// start gives an api that reaches it.
func (s *paper) start(t *testing.T) *api {
	t.Helper()
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	a, err := newAPI(&rest.Config{Host: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.close)
	return a
}

// officeOf is an elected enforcer with statuses to write.
func officeOf(a *api, q *queue, t tempo, clock func() time.Time) *office {
	r := &Reporter{}
	return &office{
		api: a, queue: q, tempo: t, clock: clock, log: slog.New(slog.DiscardHandler), written: &r.written,
		audience: newAudience(clock, slog.New(slog.DiscardHandler)), crew: newCrew(), changed: make(chan struct{}, 1),
	}
}

func wishes(n int) []wanted {
	all := make([]wanted, n)
	for i := range all {
		all[i] = wish(fmt.Sprintf("p%02d", i), 10+i, 1, 3)
		all[i].policy.Ref.Group, all[i].policy.Ref.Kind = ClusterNetworkPolicy.Group, ClusterNetworkPolicy.Kind
	}
	return all
}

// S4: statuses are written side by side, the newest generations first, and never
// more at a time than there are writers.
func TestStatusesAreWrittenSideBySide(t *testing.T) {
	const many = 3 * writers
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	waiting, release := 0, make(chan struct{})
	server := &paper{hold: func() {
		mu.Lock()
		own := release
		if waiting++; waiting == writers { // all of them are here
			waiting, release = 0, make(chan struct{})
			close(own)
		}
		mu.Unlock()
		select {
		case <-own:
		case <-ctx.Done():
		case <-time.After(20 * time.Second):
			t.Errorf("waited in vain for %d requests at a time", writers)
			cancel()
		}
	}}
	q := looked(wishes(many)...)
	o := officeOf(server.start(t), q, three, time.Now)
	defer o.crew.dismiss()
	for ctx.Err() == nil && o.written.Load() < many {
		if o.send(ctx, o.clock().Add(time.Hour)); o.crew.flying > 0 {
			o.crew.land(<-o.crew.landed)
		}
	}
	done := server.work()
	if done.most != writers {
		t.Errorf("got %d requests at a time, want %d", done.most, writers)
	}
	if len(done.wrote) != many {
		t.Fatalf("got %d writes, want %d", len(done.wrote), many)
	}
	first := slices.Sorted(slices.Values(done.wrote[:writers]))
	for i, name := range first {
		if want := fmt.Sprintf("p%02d", many-writers+i); name != want {
			t.Errorf("among the first %d: got %s, want the newest, %s", writers, name, want)
		}
	}
	if got := len(slices.Compact(slices.Sorted(slices.Values(done.wrote)))); got != many {
		t.Errorf("got writes of %d statuses, want %d", got, many)
	}
}

// S4: side by side or not, a cluster of many nodes is asked and told as much as its
// tempo allows, and no more.
func TestStatusBudget(t *testing.T) {
	crowd := tempoOf(10_000) // 5 writes a second
	for _, row := range []struct {
		sentence string
		queue    func() *queue
		reads    int
		writes   int
		wait     time.Duration
	}{
		{"writes: twice the rate at once, and then the rate", func() *queue { return looked(wishes(60)...) }, 0, 10, 200 * time.Millisecond},
		{"reads: twice as many", func() *queue {
			q := newQueue()
			q.want(wishes(60), noon)
			return q
		}, 20, 0, 100 * time.Millisecond},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			server := &paper{}
			later := noon.Add(time.Hour)
			o := officeOf(server.start(t), row.queue(), crowd, func() time.Time { return later })
			var wake time.Time
			for done := server.work(); len(done.read) < 60 && len(done.wrote) < 60 && wake.IsZero(); done = server.work() {
				wake = o.send(t.Context(), later)
				for o.crew.flying > 0 {
					land := <-o.crew.landed
					o.crew.land(land)
					for _, it := range o.queue.items { // what was read is not written
						if row.writes == 0 && it.looked {
							it.lack = lackNothing
						}
					}
				}
			}
			if done := server.work(); len(done.read) != row.reads || len(done.wrote) != row.writes {
				t.Errorf("got %d reads and %d writes, want %d and %d", len(done.read), len(done.wrote), row.reads, row.writes)
			}
			if got := wake.Sub(later).Round(time.Millisecond); got != row.wait {
				t.Errorf("got %v until the next, want %v", got, row.wait)
			}
		})
	}
}

// S4: what somebody writes while a write is on its way is noticed.
func TestWhatIsWrittenMeanwhile(t *testing.T) {
	w := wish("a", 10, 1, 3)
	q := looked(w)
	it, _ := q.next(noon, three)
	it.busy = true
	if again, _ := q.next(noon, three); again != nil {
		t.Fatalf("got %+v while a request about it is on its way, want nothing", again)
	}
	later := wish("a", 10, 1, 3)
	later.policy.ResourceVersion = "30"
	q.want([]wanted{later}, noon)
	it.busy = false
	it.wrote("20", it.merge(nil, noon), noon)
	if it.lack != lackUnknown {
		t.Errorf("got %v, want it looked at again: 30 is later than the write's 20", it.lack)
	}
	it.saw("30", it.merge(nil, noon))
	if it.lack != lackNothing {
		t.Errorf("got %v, want nothing to do", it.lack)
	}
}

// D8, D10: a process that has put nothing into the kernel leaves its predecessor's
// Lease, and an empty kernel is told.
func TestLeaseWaitsForTheKernel(t *testing.T) {
	server := &paper{}
	s := &speaker{
		api: server.start(t), namespace: "ns", node: "n1", book: &book{}, clock: time.Now, log: slog.New(slog.DiscardHandler),
		changed: make(chan struct{}, 1), tell: func(Unpoliced) {}, known: func(types.UID) {}, pods: lingering{},
	}
	for i, state := range []State{{Policies: manyPolicies(2)}, {Policies: manyPolicies(2), Applied: map[Kind]string{}}} {
		s.book.set(state)
		s.look(t.Context())
		if got := server.work().reports; len(got) != i {
			t.Fatalf("with %v applied: got reports %s, want %s", state.Applied, got, strconv.Itoa(i))
		}
	}
}
