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
	// crowded is the number of answers that no enforcer was told of.
	crowded = promauto.NewCounterVec(prometheus.CounterOpts{
		Namespace: plugin.Namespace,
		Subsystem: pluginName,
		Name:      "crowded_answers_total",
		Help:      "Counter of answers not told to the enforcer because too many of the client's were unacknowledged, by what the client got.",
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
	_ = counter("slow_sessions_total", "Counter of sessions ended because the enforcer did not keep up.", nil,
		func() float64 { return float64(process.Stats().SlowSessions.Load()) })
	_ = counter("superseded_sessions_total", "Counter of sessions ended because their node has newer ones.", nil,
		func() float64 { return float64(process.Stats().Superseded.Load()) })
	_ = gauge("contested_clients", "Number of client addresses that enforcers of several nodes watch.",
		func() float64 { return float64(process.Contested()) })
	_ = counter("contested_clients_total", "Counter of client addresses that began to be watched while another node watched them.", nil,
		func() float64 { return float64(process.Stats().Contests.Load()) })
	_ = gauge("unverified_clients", "Number of client addresses that enforcers want to watch and no pod of their node is known to have.",
		func() float64 { return float64(process.Waiting()) })
	_ = counter("unverified_clients_total", "Counter of client addresses left out because no pod of the node was known to have them.", nil,
		func() float64 { return float64(process.Stats().Unverified.Load()) })
	_ = counter("provisional_clients_total", "Counter of client addresses watched before the API server had them for a pod of the node.", nil,
		func() float64 { return float64(process.Stats().Provisional.Load()) })
	_ = counter("provisional_clients_dropped_total", "Counter of client addresses watched in advance that no pod of the node got, or that another node asked for.", nil,
		func() float64 { return float64(process.Stats().ProvisionalLost.Load()) })
	_ = counter("api_failures_total", "Counter of failed requests to the API server.", prometheus.Labels{"request": "tokenreview"},
		func() float64 { return float64(process.Stats().APIFailures.Reviews.Load()) })
	_ = counter("api_failures_total", "Counter of failed requests to the API server.", prometheus.Labels{"request": "pods"},
		func() float64 { return float64(process.Stats().APIFailures.Lists.Load()) })
)

func init() {
	for _, why := range hub.Reasons() {
		counter("refused_peers_total", "Counter of peers turned away before a session, by why.", prometheus.Labels{"reason": why.String()},
			func() float64 { return float64(process.Stats().Refused.Of(why)) })
	}
	prometheus.MustRegister(expiries{})
}

// expiries collects what is known only at the moment of the scrape: which files
// the endpoints of the present Corefile use.
type expiries struct{}

var (
	expiryOpts = prometheus.GaugeOpts{
		Namespace: plugin.Namespace,
		Subsystem: pluginName,
		Name:      "certificate_expiry_timestamp_seconds",
		Help:      "When the certificates of a file in use expire, in seconds since 1970.",
	}
	expiryDesc = prometheus.NewDesc(prometheus.BuildFQName(expiryOpts.Namespace, expiryOpts.Subsystem, expiryOpts.Name),
		expiryOpts.Help, []string{"endpoint", "file"}, nil)
)

// Describe implements prometheus.Collector.
func (expiries) Describe(ch chan<- *prometheus.Desc) { ch <- expiryDesc }

// Collect implements prometheus.Collector.
func (expiries) Collect(ch chan<- prometheus.Metric) {
	for _, e := range process.Expiries() {
		ch <- prometheus.MustNewConstMetric(expiryDesc, prometheus.GaugeValue, float64(e.Until.Unix()), e.Endpoint.String(), e.File)
	}
}

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
