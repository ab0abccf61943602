package main

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/nameward/nameward/enforcer/dns"
	"github.com/nameward/nameward/enforcer/kube"
	"github.com/nameward/nameward/enforcer/report"
)

// S3, D8: whether the API server is followed is shown, and since when it is not.
func TestServerIsShown(t *testing.T) {
	now, lost := time.Unix(1_700_000_100, 0), time.Unix(1_700_000_000, 500_000_000)
	for _, row := range []struct {
		sentence  string
		state     kube.State
		connected string
		last      string
	}{
		{"it was never reached", kube.State{Since: lost}, "0", "0"},
		{"it is followed", kube.State{Connected: true, Synced: true, Since: lost}, "1", "1.7000001e+09"},
		{"it was lost", kube.State{Synced: true, Since: lost}, "0", "1.7000000005e+09"},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			r := prometheus.NewPedanticRegistry()
			r.MustRegister(newServerCollector(func() kube.State { return row.state }, func() time.Time { return now }))
			page := get(t, pages(r, nil), "/metrics", http.StatusOK)
			for _, want := range []string{"nameward_apiserver_connected " + row.connected, "nameward_apiserver_last_contact_timestamp_seconds " + row.last} {
				if !strings.Contains(page, want+"\n") {
					t.Errorf("want %s, got\n%s", want, page)
				}
			}
			families, err := r.Gather()
			if err != nil {
				t.Fatal(err)
			}
			if problems, err := promlint.NewWithMetricFamilies(families).Lint(); err != nil || len(problems) > 0 {
				t.Errorf("promlint: got %v, %v, want nothing to complain of", problems, err)
			}
		})
	}
}

// names keeps the names of what is registered.
type names struct {
	prometheus.Registerer
	all map[string]bool
}

var (
	describedName = regexp.MustCompile(`fqName: "([a-z0-9_]+)"`)
	ownCollector  = regexp.MustCompile(`(?m)^func \(.*\) Describe\(ch chan<- \*prometheus\.Desc\)`)
	documented    = regexp.MustCompile("(?m)^\\| `(nameward_[a-z0-9_]+)`")
)

func (n *names) MustRegister(all ...prometheus.Collector) {
	for _, c := range all {
		described := make(chan *prometheus.Desc, 100)
		c.Describe(described)
		close(described)
		for d := range described {
			n.all[describedName.FindStringSubmatch(d.String())[1]] = true
		}
	}
}

// S3: deploy/README.md has every metric of the enforcer, and no other.
func TestMetricsAreDocumented(t *testing.T) {
	registered := &names{all: map[string]bool{}}
	newMeters(registered, build{})
	newWaits(registered)
	own := []prometheus.Collector{
		newCollector(fixedCounters{}, func() []dns.State { return nil }), newExpiries(func() []dns.Expiry { return nil }),
		newReportCollector(func() report.Stats { return report.Stats{} }), newServerCollector(func() kube.State { return kube.State{} }, time.Now),
	}
	registered.MustRegister(own...)
	files, err := filepath.Glob("*.go")
	check(t, err)
	written := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		check(t, err)
		written += len(ownCollector.FindAll(text, -1))
	}
	if written != len(own) {
		t.Errorf("got %d collectors in this package, of which this test knows %d; add the others", written, len(own))
	}
	readme, err := os.ReadFile("../deploy/README.md")
	check(t, err)
	_, table, _ := strings.Cut(string(readme), "\n### Metrics of the enforcer\n")
	table, _, _ = strings.Cut(table, "\n## ")
	rows := map[string]bool{}
	for _, m := range documented.FindAllStringSubmatch(table, -1) {
		if rows[m[1]] {
			t.Errorf("%s is there twice", m[1])
		}
		rows[m[1]] = true
		if !registered.all[m[1]] {
			t.Errorf("%s is documented, and no metric", m[1])
		}
	}
	for name := range registered.all {
		if !rows[name] {
			t.Errorf("%s is not documented in deploy/README.md, Metrics of the enforcer", name)
		}
	}
}
