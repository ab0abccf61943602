package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/policy"
)

// denialKind is what denials have in common that are summed up in one line.
// The pod's own port is not in it: each attempt has another one.
type denialKind struct {
	endpoint  policy.EndpointID
	direction policy.Direction
	reason    datapath.Reason
	protocol  uint8
	// address is the peer's and port the one that is knocked at.
	address netip.Addr
	port    uint16
	list    policy.ListID
	hasRule bool
	rule    uint32
	service bool
	audit   bool
	// unknown is the address of whoever is at an interface without a pod.
	unknown netip.Addr
}

// denialShare is whose denials one flood may hide: a pod's, for one reason.
type denialShare struct {
	endpoint policy.EndpointID
	reason   datapath.Reason
}

func kindOf(d datapath.Denial) denialKind {
	k := denialKind{
		endpoint: d.Endpoint, direction: d.Direction, reason: d.Reason, protocol: d.Protocol,
		address: d.Peer.Addr(), port: d.Peer.Port(),
		list: d.List, hasRule: d.HasRule, rule: d.Rule, service: d.Service, audit: d.Audit,
	}
	if d.Endpoint == datapath.UnknownPod {
		k.unknown = d.Pod.Addr()
	}
	if d.Direction == policy.Ingress {
		k.port = d.Pod.Port()
	}
	return k
}

// denialLog tells people what was dropped and why (S1).
type denialLog struct {
	node *node
	log  *slog.Logger

	mu    sync.Mutex
	tally *tally[denialShare, denialKind]
}

func newDenialLog(n *node, log *slog.Logger) *denialLog {
	return &denialLog{node: n, log: log, tally: newTally[denialShare, denialKind]()}
}

// note takes one denial. A line is written at once where it is the first of
// its kind in this interval.
func (l *denialLog) note(ctx context.Context, d datapath.Denial) {
	kind := kindOf(d)
	l.mu.Lock()
	now := l.tally.note(denialShare{d.Endpoint, d.Reason}, kind)
	l.mu.Unlock()
	if now {
		l.line(ctx, kind, 1)
	}
}

// run writes what repeated at the end of each interval, until ctx ends.
func (l *denialLog) run(ctx context.Context) {
	tick := time.NewTicker(reportInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.flush(ctx)
		}
	}
}

func (l *denialLog) flush(ctx context.Context) {
	repeated := make(map[denialKind]uint64)
	l.mu.Lock()
	others := l.tally.flush(func(k denialKind, times uint64) { repeated[k] = times })
	l.mu.Unlock()
	for k, times := range repeated {
		l.line(ctx, k, times)
	}
	if others > 0 {
		l.log.Warn("more packets were denied", "count", others)
	}
}

func (l *denialLog) line(ctx context.Context, k denialKind, times uint64) {
	attrs := []slog.Attr{
		slog.String("pod", ""), // set below, first in the line
		slog.String("direction", k.direction.String()),
		slog.String("peer", peerText(k)),
		slog.String("reason", k.reason.Text()),
		slog.String("tier", tierLabel(k.reason.Tier())),
	}
	if k.endpoint == datapath.UnknownPod {
		attrs[0] = slog.String("pod", unknownText(k))
	} else if compiled := l.node.applied.Load(); compiled != nil {
		e := compiled.Tables.Endpoints[k.endpoint]
		attrs[0] = slog.String("pod", e.Pod.Namespace+"/"+e.Pod.Name)
		attrs = append(attrs, ruleAttrs(compiled, k)...)
		if k.direction == policy.Egress && len(e.Patterns) > 0 {
			if why := l.node.why(ctx, k.endpoint, k.address); why != "" {
				attrs = append(attrs, slog.String("names", why))
			}
		}
	}
	attrs = append(attrs, slog.Uint64("count", times))
	what := "denied"
	if k.audit {
		what = "would be denied, but the policy is on trial"
	}
	l.log.LogAttrs(ctx, slog.LevelWarn, what, attrs...)
}

// unknownText is all that is known of a pod that nobody has told of.
func unknownText(k denialKind) string {
	if !k.unknown.IsValid() {
		return "unknown"
	}
	return "unknown, with address " + k.unknown.String()
}

// ruleAttrs name the policy and the rule that denied, or, where no rule did
// because none allowed, the policies that isolate the pod.
func ruleAttrs(compiled *policy.Compiled, k denialKind) []slog.Attr {
	var attrs []slog.Attr
	ref, known := compiled.Explain(k.list, k.rule)
	switch {
	case k.hasRule && known:
		attrs = []slog.Attr{slog.String("policy", ref.Policy.String()), slog.String("rule", ref.Rule())}
	case k.reason.Tier() == policy.TierNetworkPolicy:
		attrs = []slog.Attr{slog.Any("isolated-by", isolators(compiled, k))}
	}
	if k.service {
		attrs = append(attrs, slog.String("service", "a backend of it is denied"))
	}
	return attrs
}

func isolators(compiled *policy.Compiled, k denialKind) []string {
	refs := compiled.IsolatedBy(k.endpoint, k.direction)
	if k.audit {
		refs = compiled.AuditIsolatedBy(k.endpoint, k.direction)
	}
	var by []string
	for _, ref := range refs {
		by = append(by, ref.String())
	}
	return by
}

func peerText(k denialKind) string {
	if !k.address.IsValid() {
		return "unknown" // dropped before its addresses were read
	}
	var protocol string
	switch k.protocol {
	case 1, 58:
		return k.address.String() + " (ICMP)"
	case 6:
		protocol = "TCP"
	case 17:
		protocol = "UDP"
	case 132:
		protocol = "SCTP"
	default:
		return fmt.Sprintf("%s (protocol %d)", k.address, k.protocol)
	}
	return netip.AddrPortFrom(k.address, k.port).String() + " (" + protocol + ")"
}
