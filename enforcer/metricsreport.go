package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/nameward/nameward/enforcer/report"
)

// reportCollector shows what the reporter counts.
type reportCollector struct {
	stats                    func() report.Stats
	elected, writes, dropped *prometheus.Desc
}

func newReportCollector(stats func() report.Stats) *reportCollector {
	desc := func(name, help string) *prometheus.Desc { return prometheus.NewDesc("nameward_"+name, help, nil, nil) }
	return &reportCollector{
		stats:   stats,
		elected: desc("report_elected", "Whether this enforcer writes the conditions of policies for all (1) or not (0)."),
		writes:  desc("report_status_writes_total", "Conditions of policies that were written."),
		dropped: desc("report_events_dropped_total", "Kubernetes Events that were given up: too many, or refused."),
	}
}

// Describe is part of prometheus.Collector.
func (c *reportCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.elected
	ch <- c.writes
	ch <- c.dropped
}

// Collect is part of prometheus.Collector.
func (c *reportCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.stats()
	elected := 0.0
	if s.Elected {
		elected = 1
	}
	ch <- prometheus.MustNewConstMetric(c.elected, prometheus.GaugeValue, elected)
	ch <- prometheus.MustNewConstMetric(c.writes, prometheus.CounterValue, float64(s.StatusWrites))
	ch <- prometheus.MustNewConstMetric(c.dropped, prometheus.CounterValue, float64(s.EventsDropped))
}
