package removal

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	apps "k8s.io/api/apps/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const manifest = `{"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "e", "namespace": "n"},
"spec": {"updateStrategy": {"rollingUpdate": {"maxUnavailable": "100%"}}, "selector": {"matchLabels": {"a": "b"}},
"template": {"spec": {"containers": [{"name": "enforcer", "args": []}]}}}}`

// answer is one of the API server's: a status code with a message, or a DaemonSet.
type answer struct {
	code    int
	message string
	set     apps.DaemonSet
}

func rollout(generation, observed int64, desired, updated, available int32) answer {
	a := answer{code: http.StatusOK}
	a.set.Generation = generation
	a.set.Status = apps.DaemonSetStatus{ObservedGeneration: observed, DesiredNumberScheduled: desired, UpdatedNumberScheduled: updated, NumberAvailable: available}
	return a
}

func refused(code int, message string) answer { return answer{code: code, message: message} }

// leases is a selector, as the caller may choose it.
const leases = "part in (a,b)"

// server answers one after another, the last for ever, and keeps the patch. What
// is asked of Leases has answers of its own, which is that all are deleted where
// there are none.
type server struct {
	api     *httptest.Server
	answers []answer
	deletes []answer
	patch   []byte
	typed   string
	asked   []string
	// last counts how often the last of answers was given; repeated is called the
	// third time, when the client has read it as that of a patch and of a look.
	last     int
	repeated func()
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	asked := r.Method + " " + r.URL.Path
	if r.URL.RawQuery != "" {
		asked += "?" + r.URL.Query().Encode()
	}
	s.asked = append(s.asked, asked)
	if r.Method == http.MethodPatch {
		s.patch, _ = io.ReadAll(r.Body)
		s.typed = r.Header.Get("Content-Type")
	}
	answers := &s.answers
	if strings.HasSuffix(r.URL.Path, "/leases") {
		answers = &s.deletes
	}
	a := answer{code: http.StatusOK}
	if len(*answers) > 0 {
		a = (*answers)[0]
	}
	if len(*answers) > 1 {
		*answers = (*answers)[1:]
	} else if answers == &s.answers {
		s.last++
		if s.last == 3 && s.repeated != nil {
			s.repeated()
		}
	}
	w.WriteHeader(a.code)
	if a.code == http.StatusOK {
		json.NewEncoder(w).Encode(a.set)
		return
	}
	json.NewEncoder(w).Encode(map[string]any{"kind": "Status", "message": a.message})
}

// remove has the removal's time end when the last answer was repeated. It returns
// when nothing is served any more, a request that was given up included.
func (s *server) remove(t *testing.T) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s.repeated = cancel
	c := s.start(t)
	defer s.api.Close()
	return c.Remove(ctx, []byte(manifest), leases)
}

// start serves and returns a Cluster that looks as fast as it is answered.
func (s *server) start(t *testing.T) *Cluster {
	t.Helper()
	s.api = httptest.NewServer(s)
	t.Cleanup(s.api.Close)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	content := `{"apiVersion": "v1", "kind": "Config", "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
"clusters": [{"name": "c", "cluster": {"server": "` + s.api.URL + `"}}], "users": [{"name": "u", "user": {}}]}`
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := New(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	c.pace = time.Millisecond
	t.Cleanup(c.http.CloseIdleConnections)
	return c
}

func TestRemoveWaitsForEveryNode(t *testing.T) {
	for _, row := range []struct {
		sentence string
		answers  []answer
		want     string // what the error says; empty for none
	}{
		{"done when all nodes have an available pod of the new template",
			[]answer{rollout(2, 1, 3, 0, 3), rollout(2, 2, 3, 1, 1), rollout(2, 2, 3, 3, 3)}, ""},
		{"what is told of the generation before counts for nothing",
			[]answer{rollout(2, 1, 3, 3, 3), rollout(2, 1, 3, 3, 3), rollout(2, 2, 3, 1, 1)}, "not every node is done: 1 of 3"},
		{"new pods that are not available are nodes that are not done",
			[]answer{rollout(2, 2, 3, 3, 2)}, "not every node is done: 2 of 3"},
		{"old pods that are still available are not done either",
			[]answer{rollout(2, 2, 3, 1, 3)}, "not every node is done: 1 of 3"},
		{"a cluster without nodes for it is done", []answer{rollout(2, 2, 0, 0, 0)}, ""},
		{"no DaemonSet, nothing to remove", []answer{refused(404, `daemonsets.apps "e" not found`)}, ""},
		{"an API server in trouble is asked again",
			[]answer{refused(503, "starting"), rollout(2, 1, 1, 0, 1), refused(500, "etcd"), rollout(2, 2, 1, 1, 1)}, ""},
		{"a request that is forbidden is not", []answer{refused(403, "daemonsets is forbidden")},
			"give DaemonSet n/e the pods of its removal: daemonsets is forbidden"},
		{"a DaemonSet that is deleted meanwhile leaves filters on",
			[]answer{rollout(2, 1, 1, 0, 1), refused(404, "gone")}, "not every node is done: the DaemonSet was deleted meanwhile"},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			s := &server{answers: row.answers}
			err := s.remove(t)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
			if unfinished := strings.Contains(row.want, "not every node"); errors.Is(err, ErrUnfinished) != unfinished {
				t.Errorf("got ErrUnfinished %v, want %v", !unfinished, unfinished)
			}
		})
	}
}

// The selector cannot be changed, and the rest of the object is not ours to say.
func TestPatchIsTemplateAndStrategy(t *testing.T) {
	s := &server{answers: []answer{rollout(1, 1, 0, 0, 0)}}
	if err := s.start(t).Remove(t.Context(), []byte(manifest), leases); err != nil {
		t.Fatal(err)
	}
	want := `{"spec":{"template":{"spec":{"containers":[{"name":"enforcer","args":[]}]}},"updateStrategy":{"rollingUpdate":{"maxUnavailable":"100%"}}}}`
	if string(s.patch) != want || s.typed != "application/merge-patch+json" {
		t.Errorf("got %s as %s, want %s as a merge patch", s.patch, s.typed, want)
	}
	if got, want := s.asked[0], "PATCH /apis/apps/v1/namespaces/n/daemonsets/e"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestManifestIsADaemonSet(t *testing.T) {
	for _, row := range []struct{ sentence, manifest string }{
		{"no JSON", "apiVersion: apps/v1"},
		{"another kind", `{"kind": "Deployment", "metadata": {"name": "e", "namespace": "n"}, "spec": {"template": {}}}`},
		{"no namespace", `{"kind": "DaemonSet", "metadata": {"name": "e"}, "spec": {"template": {}}}`},
		{"no template", `{"kind": "DaemonSet", "metadata": {"name": "e", "namespace": "n"}, "spec": {}}`},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			s := &server{answers: []answer{rollout(1, 1, 0, 0, 0)}}
			err := s.start(t).Remove(t.Context(), []byte(row.manifest), leases)
			if err == nil || !strings.Contains(err.Error(), "want a DaemonSet") || len(s.asked) > 0 {
				t.Errorf("got %v and requests %q, want an error that says what is wanted, and no request", err, s.asked)
			}
		})
	}
}

// What enforcers leave in their namespace goes when nobody writes it any more, and
// not before.
func TestRemoveDeletesLeases(t *testing.T) {
	const deletion = "DELETE /apis/coordination.k8s.io/v1/namespaces/n/leases?labelSelector=part+in+%28a%2Cb%29"
	for _, row := range []struct {
		sentence string
		answers  []answer
		deletes  []answer
		asked    int    // how often for the deletion
		want     string // what the error says; empty for none
	}{
		{"after every node is done", []answer{rollout(2, 2, 2, 1, 1), rollout(2, 2, 2, 2, 2)}, nil, 1, ""},
		{"where there is no DaemonSet any more", []answer{refused(404, "gone")}, nil, 1, ""},
		{"an API server in trouble is asked again", []answer{rollout(2, 2, 0, 0, 0)}, []answer{refused(503, "starting"), refused(429, "later"), {code: http.StatusOK}}, 3, ""},
		{"a right that is lacking is told, with what is left to do", []answer{rollout(2, 2, 0, 0, 0)}, []answer{refused(403, "leases is forbidden")}, 1,
			"every node is done, but the Leases of enforcers are still there (kubectl --namespace n delete leases --selector 'part in (a,b)'): leases is forbidden"},
		{"not while a node still has its enforcer", []answer{rollout(2, 2, 2, 1, 1)}, nil, 0, "not every node is done: 1 of 2"},
		{"not where the removal is refused", []answer{refused(403, "no")}, nil, 0, "give DaemonSet n/e the pods of its removal: no"},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			s := &server{answers: row.answers, deletes: row.deletes}
			got := ""
			if err := s.remove(t); err != nil {
				got = err.Error()
			}
			if got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
			asked := 0
			for _, a := range s.asked {
				if a == deletion {
					asked++
				} else if asked > 0 {
					t.Errorf("got %s after the deletion began, want nothing more", a)
				}
			}
			if asked != row.asked {
				t.Errorf("got %d deletions among %q, want %d", asked, s.asked, row.asked)
			}
		})
	}
}
