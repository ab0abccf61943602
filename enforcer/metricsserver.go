package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/nameward/nameward/enforcer/kube"
)

// serverCollector shows how it stands with the API server at the scrape.
type serverCollector struct {
	state           func() kube.State
	clock           func() time.Time
	connected, last *prometheus.Desc
}

func newServerCollector(state func() kube.State, clock func() time.Time) *serverCollector {
	desc := func(name, help string) *prometheus.Desc { return prometheus.NewDesc("nameward_"+name, help, nil, nil) }
	return &serverCollector{
		state: state, clock: clock,
		connected: desc("apiserver_connected", "Whether everything that is needed of the API server is followed as it changes (1) or not (0); while it is not, what was known stays in force."),
		last:      desc("apiserver_last_contact_timestamp_seconds", "When that was so last, in seconds since 1970: now while it is, 0 where it never was."),
	}
}

// Describe is part of prometheus.Collector.
func (c *serverCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.connected
	ch <- c.last
}

// Collect is part of prometheus.Collector.
func (c *serverCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.state()
	connected, last := 0.0, 0.0
	switch {
	case s.Connected:
		connected, last = 1, seconds(c.clock())
	case s.Synced:
		last = seconds(s.Since)
	}
	ch <- prometheus.MustNewConstMetric(c.connected, prometheus.GaugeValue, connected)
	ch <- prometheus.MustNewConstMetric(c.last, prometheus.GaugeValue, last)
}

// seconds are those since 1970.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
