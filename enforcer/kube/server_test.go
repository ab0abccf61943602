package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/nameward/nameward/enforcer/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server speaks the API server's list and watch in JSON, and fails as it is told.
type server struct {
	t *testing.T
	*httptest.Server

	mu       sync.Mutex
	cond     *sync.Cond
	revision int
	oldest   int // of which a watch may still begin
	kinds    map[string]map[string]map[string]any
	log      map[string][]event
	refuse   map[string]int // path → status
	away     bool
	cut      int            // counts the times that all watches were ended
	lists    map[string]int // by path
}

type event struct {
	revision int
	kind     string
	object   map[string]any
}

var paths = map[string]string{
	"Pod": "/api/v1/pods", "Namespace": "/api/v1/namespaces", "Node": "/api/v1/nodes", "Service": "/api/v1/services",
	"ConfigMap": "/api/v1/namespaces/nameward/configmaps", "EndpointSlice": "/apis/discovery.k8s.io/v1/endpointslices",
	"NetworkPolicy":                     "/apis/networking.k8s.io/v1/networkpolicies",
	"ApplicationNetworkPolicy":          "/apis/networking.k8s.aws/v1alpha1/applicationnetworkpolicies",
	"networking.k8s.aws/v1alpha1":       "/apis/networking.k8s.aws/v1alpha1/clusternetworkpolicies",
	"policy.networking.k8s.io/v1alpha2": "/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies",
}

func newServer(t *testing.T) *server {
	s := &server{t: t, revision: 1, kinds: map[string]map[string]map[string]any{}, log: map[string][]event{}, refuse: map[string]int{}, lists: map[string]int{}}
	s.cond = sync.NewCond(&s.mu)
	for _, path := range paths {
		s.kinds[path] = map[string]map[string]any{}
	}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.interrupt()
		s.Close()
	})
	return s
}

// interrupt ends all watches as a server does that goes.
func (s *server) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut++
	s.cond.Broadcast()
}

// set changes how the server behaves, under its lock.
func (s *server) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	s.cond.Broadcast()
}

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return o
}

func pathOf(o map[string]any) string {
	if path, is := paths[o["apiVersion"].(string)]; is && o["kind"] == "ClusterNetworkPolicy" {
		return path
	}
	return paths[o["kind"].(string)]
}

func nameOf(o map[string]any) string {
	meta := o["metadata"].(map[string]any)
	return fmt.Sprint(meta["namespace"], "/", meta["name"])
}

// put creates or changes objects.
func (s *server) put(texts ...string) {
	s.t.Helper()
	for _, text := range texts {
		o := parse(s.t, text)
		s.set(func() {
			path, kind := pathOf(o), "ADDED"
			if s.kinds[path][nameOf(o)] != nil {
				kind = "MODIFIED"
			}
			s.happen(path, kind, o)
			s.kinds[path][nameOf(o)] = o
		})
	}
}

func (s *server) remove(texts ...string) {
	for _, text := range texts {
		o := parse(s.t, text)
		s.set(func() {
			s.happen(pathOf(o), "DELETED", o)
			delete(s.kinds[pathOf(o)], nameOf(o))
		})
	}
}

func (s *server) happen(path, kind string, o map[string]any) {
	s.revision++
	meta := o["metadata"].(map[string]any)
	meta["resourceVersion"] = strconv.Itoa(s.revision)
	if meta["uid"] == nil {
		meta["uid"] = "uid-" + nameOf(o)
	}
	s.log[path] = append(s.log[path], event{s.revision, kind, o})
}

func status(w http.ResponseWriter, code int, reason string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d,"message":"the test says so"}`, reason, code)
}

var reasons = map[int]string{403: "Forbidden", 404: "NotFound", 410: "Expired", 500: "InternalError", 401: "Unauthorized"}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := r.URL.Path
	if !s.away && (r.URL.Query().Get("watch") == "" || r.URL.Query().Get("sendInitialEvents") == "true") {
		s.lists[path]++
	}
	switch objects, known := s.kinds[path]; {
	case s.away:
		panic(http.ErrAbortHandler)
	case s.refuse[path] != 0:
		status(w, s.refuse[path], reasons[s.refuse[path]])
	case path == "/apis" || strings.Count(path, "/") == 3 && strings.HasPrefix(path, "/apis/"):
		s.discover(w, path)
	case !known:
		status(w, 404, "NotFound")
	case r.URL.Query().Get("watch") != "":
		s.watch(w, r, path)
	default:
		w.Header().Set("Content-Type", "application/json")
		list := map[string]any{"kind": "List", "apiVersion": "v1", "metadata": map[string]any{"resourceVersion": strconv.Itoa(s.revision)}, "items": slices.Collect(maps.Values(objects))}
		for kind, of := range paths {
			if of == path {
				if strings.Contains(kind, "/") {
					kind = "ClusterNetworkPolicy"
				}
				list["kind"], list["apiVersion"] = kind+"List", strings.Join(strings.Split(strings.Trim(path, "/"), "/")[1:3], "/")
				if strings.HasPrefix(path, "/api/") {
					list["apiVersion"] = "v1"
				}
			}
		}
		_ = json.NewEncoder(w).Encode(list)
	}
}

// discover lists the kinds that are there.
func (s *server) discover(w http.ResponseWriter, path string) {
	w.Header().Set("Content-Type", "application/json")
	groups := map[string][]map[string]any{}
	for of := range s.kinds {
		parts := strings.Split(strings.Trim(of, "/"), "/")
		if parts[0] == "apis" {
			version := parts[1] + "/" + parts[2]
			groups[version] = append(groups[version], map[string]any{"name": parts[3]})
		}
	}
	if path != "/apis" {
		if resources, there := groups[strings.TrimPrefix(path, "/apis/")]; there {
			_ = json.NewEncoder(w).Encode(map[string]any{"resources": resources})
			return
		}
		status(w, 404, "NotFound")
		return
	}
	var all []map[string]any
	for version := range groups {
		all = append(all, map[string]any{"name": strings.Split(version, "/")[0], "versions": []map[string]any{{"groupVersion": version}}})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"groups": all})
}

// watch is called under the lock, and gives it away while it waits.
func (s *server) watch(w http.ResponseWriter, r *http.Request, path string) {
	from, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	initial := r.URL.Query().Get("sendInitialEvents") == "true"
	w.Header().Set("Content-Type", "application/json")
	if !initial && from < s.oldest {
		status(w, 410, "Expired")
		return
	}
	send := func(kind string, o map[string]any) {
		_ = json.NewEncoder(w).Encode(map[string]any{"type": kind, "object": o})
	}
	w.WriteHeader(200)
	if initial {
		for _, o := range s.kinds[path] {
			send("ADDED", o)
		}
		from = s.revision
		for kind, of := range paths {
			if of == path {
				bookmark := map[string]any{"kind": kind, "apiVersion": "v1", "metadata": map[string]any{
					"resourceVersion": strconv.Itoa(from), "annotations": map[string]any{"k8s.io/initial-events-end": "true"}}}
				parts := strings.Split(strings.Trim(path, "/"), "/")
				if parts[0] == "apis" {
					bookmark["apiVersion"] = parts[1] + "/" + parts[2]
				}
				if strings.Contains(kind, "/") {
					bookmark["kind"] = "ClusterNetworkPolicy"
				}
				send("BOOKMARK", bookmark)
			}
		}
	}
	w.(http.Flusher).Flush()
	stop := context.AfterFunc(r.Context(), func() { s.set(func() {}) })
	defer stop()
	for cut := s.cut; s.cut == cut && r.Context().Err() == nil && !s.away && s.kinds[path] != nil; s.cond.Wait() {
		for _, e := range s.log[path] {
			if e.revision > from {
				send(e.kind, e.object)
				from = e.revision
			}
		}
		w.(http.Flusher).Flush()
	}
}

// follower is a Source that follows the server.
type follower struct {
	t       *testing.T
	source  *Source
	heard   chan *Snapshot
	invalid chan Invalid
	stop    func()
}

func follow(t *testing.T, config *rest.Config) *follower { return followIn(t, config, "nameward") }

func followIn(t *testing.T, config *rest.Config, namespace string) *follower {
	t.Helper()
	f := &follower{t: t, heard: make(chan *Snapshot, 1000), invalid: make(chan Invalid, 100)}
	var err error
	f.source, err = New(Config{
		REST: config, Node: "n1", Namespace: namespace, Log: slog.New(slog.DiscardHandler),
		ClusterDNS: []types.NamespacedName{{Namespace: "kube-system", Name: "kube-dns"}, {Namespace: "nameward", Name: "nameward-dns"}},
		Invalid:    func(news Invalid) { f.invalid <- news },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.source.Run(ctx, func(s *Snapshot) { f.heard <- s }) }()
	f.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	})
	t.Cleanup(f.stop)
	return f
}

func (s *server) follow() *follower {
	s.t.Helper()
	return follow(s.t, &rest.Config{Host: s.URL})
}

const patience = 20 * time.Second

// until waits for a snapshot of which something is true.
func (f *follower) until(what string, is func(*Snapshot) bool) *Snapshot {
	f.t.Helper()
	late := time.After(patience)
	for {
		select {
		case s := <-f.heard:
			if is(s) {
				return s
			}
		case <-late:
			f.t.Fatalf("no snapshot in which %s; state %+v", what, f.source.State())
		}
	}
}

// told waits for what is said of the settings.
func (f *follower) told() Invalid {
	f.t.Helper()
	select {
	case news := <-f.invalid:
		return news
	case <-time.After(patience):
		f.t.Fatal("nothing was told of the settings")
		return Invalid{}
	}
}

// state waits for a state.
func (f *follower) state(what string, is func(State) bool) State {
	f.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if s := f.source.State(); is(s) {
			return s
		}
	}
	f.t.Fatalf("no state in which %s: %+v", what, f.source.State())
	return State{}
}

// silent says that no snapshot comes although the server has been listened to,
// which a later change of another object proves.
func (f *follower) silent(s *server, after func()) {
	f.t.Helper()
	f.drain()
	after()
	revision := strconv.Itoa(s.now())
	f.source.reached(f.t, revision)
	select {
	case s := <-f.heard:
		f.t.Errorf("got a snapshot %+v, want none", s)
	case <-time.After(quiet):
	}
}

func (s *server) now() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revision
}

// quiet is after what time nothing more is taken to come: several times as long as
// the source waits for pods that slices name, on a machine that is busy.
const quiet = 500 * time.Millisecond

func (f *follower) drain() {
	for {
		select {
		case <-f.heard:
			continue
		case <-time.After(quiet):
			return
		}
	}
}

// reached waits until a feed has seen a revision.
func (s *Source) reached(t *testing.T, revision string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		for _, f := range s.feeds {
			if f.revision() == revision {
				return
			}
		}
	}
	t.Fatalf("revision %s was not reached", revision)
}

func podText(name, more string) string {
	return fmt.Sprintf(`{"kind":"Pod","apiVersion":"v1","metadata":{"namespace":"shop","name":%q,"labels":{"app":%q}%s`, name, strings.TrimRight(name, "0123456789-"), more)
}

func find(s *Snapshot, name string) *policy.Pod {
	for _, p := range s.Pods {
		if p.Ref.Name == name {
			return p
		}
	}
	return nil
}

func asJSON(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
