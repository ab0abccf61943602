package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/nameward/nameward/enforcer/dns"
)

const (
	expiryCheck  = 10 * time.Minute
	expiryRepeat = 24 * time.Hour
)

// expiries shows when the certificates expire, read at the scrape.
type expiries struct {
	read func() []dns.Expiry
	desc *prometheus.Desc
}

func newExpiries(read func() []dns.Expiry) expiries {
	return expiries{read: read, desc: prometheus.NewDesc("nameward_certificate_expiry_timestamp_seconds",
		"When the certificates of a file expire, in seconds since 1970.", []string{"file"}, nil)}
}

// Describe is part of prometheus.Collector.
func (e expiries) Describe(ch chan<- *prometheus.Desc) { ch <- e.desc }

// Collect is part of prometheus.Collector.
func (e expiries) Collect(ch chan<- prometheus.Metric) {
	for _, x := range e.read() {
		ch <- prometheus.MustNewConstMetric(e.desc, prometheus.GaugeValue, float64(x.Until.Unix()), x.File)
	}
}

// watch says in time, and once a day, that a certificate was not renewed.
func (e expiries) watch(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(expiryCheck)
	defer tick.Stop()
	said := make(map[string]time.Time)
	for {
		e.warn(time.Now(), said, log)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (e expiries) warn(now time.Time, said map[string]time.Time, log *slog.Logger) {
	for _, x := range e.read() {
		if x.Due(now) && now.Sub(said[x.File]) >= expiryRepeat {
			said[x.File] = now
			log.Warn("certificate expires and was not renewed; without it there are no sessions with CoreDNS",
				"file", x.File, "expires", x.Until.Format(time.RFC3339))
		}
	}
}
