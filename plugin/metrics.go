package nameward

import (
	"github.com/coredns/coredns/plugin"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/nameward/nameward/plugin/internal/hub"
)

var (
	// held is the number of answers that waited for an enforcer.
	held = promauto.NewCounterVec(prometheus.CounterOpts{
		Namespace: plugin.Namespace,
		Subsystem: pluginName,
		Name:      "held_answers_total",
		Help:      "Counter of answers that waited for an enforcer.",
	}, []string{"server"})
	// holdDuration is how long they waited.
	holdDuration = promauto.NewHistogramVec(prometheus.HistogramOpts{
		Namespace:                   plugin.Namespace,
		Subsystem:                   pluginName,
		Name:                        "hold_duration_seconds",
		Help:                        "Histogram of the time that answers waited for an enforcer.",
		Buckets:                     []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5},
		NativeHistogramBucketFactor: plugin.NativeHistogramBucketFactor,
	}, []string{"server"})
	// holdTimeouts is the number of answers that waited in vain.
	holdTimeouts = promauto.NewCounterVec(prometheus.CounterOpts{
		Namespace: plugin.Namespace,
		Subsystem: pluginName,
		Name:      "hold_timeouts_total",
		Help:      "Counter of answers not acknowledged in time, by what the client got.",
	}, []string{"server", "result"})
	// released is the number of held answers by what ended the wait.
	released = promauto.NewCounterVec(prometheus.CounterOpts{
		Namespace: plugin.Namespace,
		Subsystem: pluginName,
		Name:      "released_total",
		Help:      "Counter of held answers by what ended the wait.",
	}, []string{"server", "reason"})
	// identityLost is the number of answers to addresses of nodes, not of pods.
	identityLost = promauto.NewCounterVec(prometheus.CounterOpts{
		Namespace: plugin.Namespace,
		Subsystem: pluginName,
		Name:      "identity_lost_total",
		Help:      "Counter of answers to queries from a node's own address, which hide the pod that asked.",
	}, []string{"server"})
	// refused is the number of queries that lockdown refused.
	refused = promauto.NewCounterVec(prometheus.CounterOpts{
		Namespace: plugin.Namespace,
		Subsystem: pluginName,
		Name:      "lockdown_refused_total",
		Help:      "Counter of queries that lockdown refused, by the answer's code.",
	}, []string{"server", "rcode"})
	// wouldRefuse is the number of queries that a lockdown on trial let pass.
	wouldRefuse = promauto.NewCounterVec(prometheus.CounterOpts{
		Namespace: plugin.Namespace,
		Subsystem: pluginName,
		Name:      "lockdown_would_refuse_total",
		Help:      "Counter of queries that were answered because the lockdown is on trial.",
	}, []string{"server"})

	// The following belong to the process: its enforcers serve every server.
	_ = gauge("sessions", "Number of connected enforcers.", func() float64 { return float64(process.Sessions()) })
	_ = gauge("watched_clients", "Number of client addresses that enforcers watch.", func() float64 { return float64(process.Watched()) })
	_ = gauge("lockdown_kept_clients", "Number of client addresses whose lockdown stands although their enforcer is away.", func() float64 { return float64(process.Kept()) })
	_ = gauge("journal_clients", "Number of client addresses with recent answers in the journal.", func() float64 { return float64(process.Journaled()) })
	_ = counter("learned_total", "Counter of messages to enforcers by origin.", prometheus.Labels{"origin": "answer"},
		func() float64 { return float64(process.Stats().Live.Load()) })
	_ = counter("learned_total", "Counter of messages to enforcers by origin.", prometheus.Labels{"origin": "journal"},
		func() float64 { return float64(process.Stats().Replayed.Load()) })
	_ = counter("refused_peers_total", "Counter of peers turned away before a session.", nil,
		func() float64 { return float64(process.Stats().Refused.Load()) })
	_ = counter("slow_sessions_total", "Counter of sessions ended because the enforcer did not keep up.", nil,
		func() float64 { return float64(process.Stats().SlowSessions.Load()) })
)

func gauge(name, help string, value func() float64) prometheus.GaugeFunc {
	return promauto.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: plugin.Namespace, Subsystem: pluginName, Name: name, Help: help,
	}, value)
}

func counter(name, help string, labels prometheus.Labels, value func() float64) prometheus.CounterFunc {
	return promauto.NewCounterFunc(prometheus.CounterOpts{
		Namespace: plugin.Namespace, Subsystem: pluginName, Name: name, Help: help, ConstLabels: labels,
	}, value)
}

// reason is the label of an outcome.
func reason(o hub.Outcome) string {
	switch o {
	case hub.Acknowledged:
		return "acknowledged"
	case hub.TimedOut:
		return "timeout"
	case hub.Disconnected:
		return "disconnected"
	case hub.Abandoned:
		return "abandoned"
	default:
		return "unknown"
	}
}
