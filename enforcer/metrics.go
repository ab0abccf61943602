package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/dns"
	"github.com/nameward/nameward/enforcer/grants"
	"github.com/nameward/nameward/enforcer/policy"
)

// meters are what the enforcer counts itself.
type meters struct {
	open, held                   prometheus.Gauge
	endpoints, missing, problems prometheus.Gauge
	unknown, doubtful            prometheus.Gauge
	settingsFaults               prometheus.Gauge

	learnedWanted, learnedUnwanted prometheus.Counter
	evicted, strange               prometheus.Counter
	refused, updateFailures        *prometheus.CounterVec
}

func newMeters(r prometheus.Registerer, b build) *meters {
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "nameward", Name: name, Help: help})
		r.MustRegister(g)
		return g
	}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "nameward", Name: name, Help: help})
		r.MustRegister(c)
		return c
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "nameward", Name: name, Help: help}, []string{label})
		r.MustRegister(c)
		return c
	}
	learned := vec("learned_total", "Answers that CoreDNS told of, by whether a pattern of the pod wanted the name.", "result")
	byState := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: "nameward", Name: "grants",
		Help: "Addresses that pods of this node have learnt by name, by whether they open connections or are held by some that live.",
	}, []string{"state"})
	r.MustRegister(byState)
	m := &meters{
		open:            byState.WithLabelValues("open"),
		held:            byState.WithLabelValues("held"),
		endpoints:       gauge("endpoints", "Pods of this node whose interface is policed."),
		missing:         gauge("interfaces_missing", "Pods of this node that are not policed because their interface is not known or does not exist."),
		unknown:         gauge("interfaces_unknown", "Interfaces of this node that look like a pod's and are no known pod's; they are under the start posture."),
		doubtful:        gauge("interfaces_doubtful", "Pods of this node whose interface is known, while something weaker points to another one."),
		settingsFaults:  gauge("settings_faults", "Settings in the ConfigMap nameward that cannot be used; while there are any, the last good ones stay in force."),
		problems:        gauge("policy_problems", "Parts of policies that are closed because they cannot be understood."),
		learnedWanted:   learned.WithLabelValues("wanted"),
		learnedUnwanted: learned.WithLabelValues("unwanted"),
		evicted:         counter("grants_evicted_total", "Grants that were given up for newer ones at a limit."),
		strange:         counter("grants_unrecognized_total", "Grants of a predecessor that were revoked because the policy had changed meanwhile."),
		refused:         vec("grants_refused_total", "Learnt addresses that were not granted.", "reason"),
		updateFailures:  vec("update_failures_total", "Writes to the kernel that failed and were tried again.", "table"),
	}
	for _, reason := range grants.Reasons() {
		m.refused.WithLabelValues(reason.String())
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "nameward", Name: "build_info", Help: "Always 1; the labels say which program this is.",
		ConstLabels: prometheus.Labels{"version": b.version, "revision": b.revision, "goversion": b.goVersion},
	})
	info.Set(1)
	r.MustRegister(info)
	return m
}

// granted notes what the Book holds.
func (m *meters) granted(open, held int) {
	m.open.Set(float64(open))
	m.held.Set(float64(held))
}

// applied notes what is in force now.
func (m *meters) applied(d *draft, absent int) {
	m.endpoints.Set(float64(len(d.pods) - absent))
	m.missing.Set(float64(absent))
	m.problems.Set(float64(len(d.problems)))
}

// counters is what the kernel counts.
type counters interface {
	Counters() ([]datapath.Counter, error)
	Lost() (uint64, error)
}

// collector reads what others keep at the moment of the scrape, so that it is
// never out of date and costs nothing in between.
type collector struct {
	kernel   counters
	sessions func() []dns.State

	packets, bytes, would, lost, connected, failed *prometheus.Desc
}

func newCollector(k counters, sessions func() []dns.State) *collector {
	labels := []string{"direction", "verdict", "tier", "reason"}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("nameward_"+name, help, labels, nil)
	}
	return &collector{
		kernel: k, sessions: sessions,
		packets: desc("verdicts_total", "Packets of pods, by what became of them and why.", labels...),
		bytes:   desc("verdict_bytes_total", "Bytes of pods' packets, by what became of them and why.", labels...),
		would: desc("would_deny_total", "Connections that passed because what denies them is on trial, each time they were judged.",
			"direction", "tier", "reason"),
		lost:      desc("events_lost_total", "Denied packets that were not reported because too many came at once."),
		connected: desc("dns_sessions", "Sessions with CoreDNS replicas that are connected."),
		failed:    desc("scrape_failed", "Whether the kernel's counters could not be read (1) or could (0)."),
	}
}

// Describe is part of prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.packets, c.bytes, c.would, c.lost, c.connected, c.failed} {
		ch <- d
	}
}

// Collect is part of prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	connected := 0
	for _, s := range c.sessions() {
		if s.Connected {
			connected++
		}
	}
	ch <- prometheus.MustNewConstMetric(c.connected, prometheus.GaugeValue, float64(connected))
	failed := 0.0
	lost, err := c.kernel.Lost()
	if err == nil {
		ch <- prometheus.MustNewConstMetric(c.lost, prometheus.CounterValue, float64(lost))
	} else {
		failed = 1
	}
	all, err := c.kernel.Counters()
	if err != nil {
		failed = 1
	}
	ch <- prometheus.MustNewConstMetric(c.failed, prometheus.GaugeValue, failed)
	for _, n := range all {
		if n.Audit {
			if n.Reason.Verdict() == policy.Deny {
				ch <- prometheus.MustNewConstMetric(c.would, prometheus.CounterValue, float64(n.Packets),
					n.Direction.String(), tierLabel(n.Reason.Tier()), n.Reason.String())
			}
			continue
		}
		labels := []string{n.Direction.String(), n.Reason.Verdict().String(), tierLabel(n.Reason.Tier()), n.Reason.String()}
		ch <- prometheus.MustNewConstMetric(c.packets, prometheus.CounterValue, float64(n.Packets), labels...)
		ch <- prometheus.MustNewConstMetric(c.bytes, prometheus.CounterValue, float64(n.Bytes), labels...)
	}
}

// tierLabel names the tier that decided; "none" where a packet never got as
// far as a tier, such as a malformed one or the reply of an open connection.
func tierLabel(t policy.Tier) string {
	if t == policy.TierUnknown {
		return "none"
	}
	return t.String()
}
