package report

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/nameward/nameward/enforcer/policy"
)

func manyPolicies(n int) []Policy {
	all := make([]Policy, n)
	for i := range all {
		ref := policy.PolicyRef{Group: ClusterNetworkPolicy.Group, Kind: ClusterNetworkPolicy.Kind, Name: fmt.Sprintf("p%d", i)}
		all[i] = Policy{Ref: ref, UID: types.UID(strconv.Itoa(i)), Generation: 1, ResourceVersion: strconv.Itoa(1000 + i),
			Problems: []policy.Problem{{Policy: ref, Field: "spec.egress[0].to[0]", Reason: "not a CIDR"}}}
	}
	return all
}

// TestServerAway: where the API server answers nothing, or nothing useful, nobody
// who tells waits, and nothing grows (S4).
func TestServerAway(t *testing.T) {
	var asked atomic.Int64
	hangs := make(chan struct{})
	for _, row := range []struct {
		sentence string
		answer   http.HandlerFunc
	}{
		{"it takes requests and does not answer", func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-hangs:
			}
		}},
		{"it answers that it is overloaded", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }},
		{"it forbids everything", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }},
		{"it answers what is no JSON", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				_, _ = io.Copy(io.Discard, r.Body)
				row.answer(w, r)
			}))
			defer server.Close()
			r, err := New(Config{REST: &rest.Config{Host: server.URL}, Node: "n1", Namespace: "ns", PodName: "p", PodUID: "1", Clock: time.Now, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- r.Run(ctx) }()
			policies := manyPolicies(100)
			before := asked.Load()
			for i := range 5000 {
				r.Set(State{Policies: policies, Applied: map[Kind]string{ClusterNetworkPolicy: strconv.Itoa(2000 + i)}, Nodes: 3})
				r.KernelFailed(fmt.Errorf("try %d: %w", i, errors.New("cannot allocate memory")))
				r.PodTrouble(policy.PodRef{Namespace: "ns", Name: fmt.Sprint("p", i), UID: fmt.Sprint(i)}, "Odd", "it is")
			}
			if n := asked.Load() - before; n > 200 {
				t.Errorf("got %d requests to a server that is of no use, want few", n)
			}
			if n := runtime.NumGoroutine(); n > 100 {
				t.Errorf("got %d goroutines, want few", n)
			}
			r.recorder.mu.Lock()
			if n := len(r.recorder.records.series); n > mostSeries {
				t.Errorf("got %d series, want at most %d", n, mostSeries)
			}
			r.recorder.mu.Unlock()
			if r.Stats().EventsDropped == 0 {
				t.Error("got no Events dropped, want those that did not fit counted")
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	close(hangs)
}

func TestConfigNamesWhatIsMissing(t *testing.T) {
	whole := Config{REST: &rest.Config{}, Node: "n1", Namespace: "ns", PodName: "p", Clock: time.Now, Log: slog.New(slog.DiscardHandler)}
	for _, row := range []struct {
		want string
		drop func(*Config)
	}{
		{"REST", func(c *Config) { c.REST = nil }},
		{"node", func(c *Config) { c.Node = "" }},
		{"namespace", func(c *Config) { c.Namespace = "" }},
		{"pod", func(c *Config) { c.PodName = "" }},
		{"clock", func(c *Config) { c.Clock = nil }},
	} {
		t.Run(row.want, func(t *testing.T) {
			c := whole
			row.drop(&c)
			if _, err := New(c); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want an error that names the %s", err, row.want)
			}
		})
	}
}
