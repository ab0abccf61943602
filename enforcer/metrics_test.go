package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/dns"
	"github.com/nameward/nameward/enforcer/policy"
)

// fixedCounters are counters as the kernel would give them.
type fixedCounters struct {
	all []datapath.Counter
	err error
}

func (f fixedCounters) Counters() ([]datapath.Counter, error) { return f.all, f.err }
func (f fixedCounters) Lost() (uint64, error)                 { return 7, f.err }

func registryOf(c counters, sessions []dns.State) *prometheus.Registry {
	r := prometheus.NewPedanticRegistry()
	newMeters(r, build{version: "v1", revision: "abc", goVersion: "go1"})
	r.MustRegister(newCollector(c, func() []dns.State { return sessions }))
	return r
}

// S3: the page is what Prometheus expects, and nothing in it is unbounded.
func TestMetricsPage(t *testing.T) {
	kernel := fixedCounters{all: []datapath.Counter{
		{Direction: policy.Ingress, Packets: 1, Bytes: 60},
		{Direction: policy.Egress, Packets: 2, Bytes: 120},
	}}
	sessions := []dns.State{{Connected: true}, {}, {Connected: true}}
	r := registryOf(kernel, sessions)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: got %v, %v, want nothing to complain of", problems, err)
	}
	page := get(t, pages(r, nil), "/metrics", http.StatusOK)
	for _, want := range []string{
		`nameward_verdicts_total{direction="egress",reason="unknown",tier="none",verdict="deny"} 2`,
		`nameward_verdict_bytes_total{direction="ingress",reason="unknown",tier="none",verdict="deny"} 60`,
		"nameward_events_lost_total 7",
		"nameward_dns_sessions 2",
		"nameward_scrape_failed 0",
		`nameward_build_info{goversion="go1",revision="abc",version="v1"} 1`,
		`nameward_grants_refused_total{reason="metadata"} 0`,
		`nameward_grants{state="open"} 0`, `nameward_grants{state="held"} 0`,
		"nameward_endpoints 0", "nameward_policy_problems 0", "nameward_interfaces_missing 0",
		`nameward_learned_total{result="wanted"} 0`,
	} {
		if !strings.Contains(page, want+"\n") {
			t.Errorf("want %s on the page, got\n%s", want, page)
		}
	}
}

func TestCountersThatCannotBeReadLeaveTheRest(t *testing.T) {
	page := get(t, pages(registryOf(fixedCounters{err: errors.New("gone")}, nil), nil), "/metrics", http.StatusOK)
	if !strings.Contains(page, "nameward_scrape_failed 1\n") || !strings.Contains(page, "nameward_dns_sessions 0\n") {
		t.Errorf("got\n%s\nwant the failure and everything else", page)
	}
}

// D10: readiness says what is missing.
func TestReadiness(t *testing.T) {
	target := func(s string) dns.Target { return must(dns.ParseTarget(s)) }
	near, far := target("unix:///run/dns.sock"), target("tcp://dns:53")
	tests := []struct {
		sentence string
		applied  bool
		trouble  error
		sessions []dns.State
		want     []string
	}{
		{"a policy in force and no CoreDNS configured", true, nil, nil, nil},
		{"every target has a session", true, nil, []dns.State{{Target: near, Connected: true}, {Target: far}, {Target: far, Connected: true}}, nil},
		{"nothing has happened yet", false, nil, []dns.State{{Target: near}}, []string{"no policy is in the kernel yet", "no session with CoreDNS at unix:///run/dns.sock: not tried yet"}},
		{"the newest policy is refused", true, errors.New("update table rows: out of memory"), nil, []string{"update table rows: out of memory"}},
		{"a target with two replicas, neither connected", true, nil, []dns.State{{Target: far, Err: errors.New("refused")}, {Target: far, Err: errors.New("refused")}}, []string{"tcp://dns:53: refused"}},
	}
	for _, tt := range tests {
		t.Run(tt.sentence, func(t *testing.T) {
			n := &node{}
			if tt.applied {
				n.applied.Store(&policy.Compiled{})
			}
			if tt.trouble != nil {
				n.trouble.Store(&tt.trouble)
			}
			got := missing(n, tt.sessions)
			if len(got) != len(tt.want) {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			for i := range got {
				if !strings.Contains(got[i], tt.want[i]) {
					t.Errorf("got %q, want %q in it", got[i], tt.want[i])
				}
			}
			code := http.StatusOK
			if len(tt.want) > 0 {
				code = http.StatusServiceUnavailable
			}
			get(t, pages(prometheus.NewRegistry(), func() []string { return got }), "/readyz", code)
		})
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func get(tb testing.TB, h http.Handler, path string, code int) string {
	tb.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if w.Code != code {
		tb.Errorf("%s: got status %d, want %d: %s", path, w.Code, code, w.Body)
	}
	return w.Body.String()
}
