package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/nameward/nameward/enforcer/dns"
)

// S2: an operator sees when certificates expire, and hears of it once a day.
func TestExpiryIsShownAndSaid(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	all := []dns.Expiry{
		{File: "/tls/year", Begins: now.Add(-300 * 24 * time.Hour), Until: now.Add(6 * 24 * time.Hour)},
		{File: "/tls/day", Begins: now.Add(-12 * time.Hour), Until: now.Add(12 * time.Hour)},
	}
	e := newExpiries(func() []dns.Expiry { return all })
	registry := prometheus.NewRegistry()
	registry.MustRegister(e)
	families, err := registry.Gather()
	if err != nil || len(families) != 1 {
		t.Fatalf("got %v and %v, want one metric", families, err)
	}
	if got, want := families[0].GetName(), "nameward_certificate_expiry_timestamp_seconds"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for i, x := range []dns.Expiry{all[1], all[0]} { // by label
		m := families[0].GetMetric()[i]
		if file, at := m.GetLabel()[0].GetValue(), m.GetGauge().GetValue(); file != x.File || at != float64(x.Until.Unix()) {
			t.Errorf("got %v of %s, want %v of %s", at, file, x.Until.Unix(), x.File)
		}
	}
	var out bytes.Buffer
	log, said := slog.New(slog.NewTextHandler(&out, nil)), make(map[string]time.Time)
	for _, at := range []time.Duration{0, 10 * time.Minute, 9 * time.Hour, 10 * time.Hour, 25 * time.Hour} {
		e.warn(now.Add(at), said, log)
	}
	if year, day := strings.Count(out.String(), "/tls/year"), strings.Count(out.String(), "/tls/day"); year != 2 || day != 1 {
		t.Errorf("said %d times of the year and %d of the day, want 2 and 1, in %s", year, day, out.String())
	}
}
