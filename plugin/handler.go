package nameward

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/metrics"

	"github.com/miekg/dns"
	"github.com/opentracing/opentracing-go"

	"github.com/nameward/nameward/plugin/internal/hub"
)

// Nameward is the handler of one server block.
type Nameward struct {
	Next plugin.Handler

	hold         time.Duration
	servfail     bool
	cnameTargets bool
	// searchZones are those in which the block's autopath answers.
	searchZones plugin.Zones
	lockdown    lockdown

	hub      *hub.Hub
	instance *instance
}

// Name implements the plugin.Handler interface.
func (n *Nameward) Name() string { return pluginName }

// ServeDNS implements the plugin.Handler interface.
func (n *Nameward) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	if ctx.Value(nestedKey{}) != nil {
		return n.pass(inner{ctx}, w, r)
	}
	client := clientOf(w)
	if !client.IsValid() {
		return n.pass(ctx, w, r)
	}
	locked := n.hub.LockedDown(client) != hub.LockdownOff
	if locked {
		// Before any plugin below sees it: nothing of it may be forwarded.
		if rcode := n.lockdown.rcodeFor(r); n.locks(ctx, client, r, rcode) {
			return refuse(w, r, rcode)
		}
	}
	if !teaches(r) || !n.hub.Interested(client) {
		if locked {
			ctx = &nested{ctx}
		}
		return n.pass(ctx, w, r)
	}
	// What the client asked, before any plugin rewrites the request in place.
	question := r.Question[0].Name
	c := newCapture(ctx, w)
	rcode, err := n.next(&c.nested, c, r)
	if c.msg == nil {
		// An upstream failure, for one, is written by the server, after us.
		return rcode, err
	}
	if !n.teach(ctx, client, question, c.msg) {
		return dns.RcodeServerFailure, plugin.Error(n.Name(),
			fmt.Errorf("the enforcer of client %s did not acknowledge %s in time", client, question))
	}
	if werr := c.deliver(); werr != nil && err == nil {
		err = plugin.Error(n.Name(), werr)
	}
	return rcode, err
}

// pass calls the next plugin for a query that is none of ours.
func (n *Nameward) pass(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	if _, tracks := w.(plugin.PluginTracker); tracks {
		return plugin.NextOrFailure(n.Name(), n.Next, ctx, w, r)
	}
	return n.next(ctx, w, r)
}

// next does what plugin.NextOrFailure does, and spares the writer that tells a
// PluginTracker which plugin wrote where w is none: one allocation for each query.
func (n *Nameward) next(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	if n.Next == nil || opentracing.SpanFromContext(ctx) != nil {
		return plugin.NextOrFailure(n.Name(), n.Next, ctx, w, r)
	}
	return n.Next.ServeDNS(ctx, w, r)
}

// nested is the context that the plugins below this one get, marked as such. Some
// of them (dns64, file, kubernetes) put questions of their own to the whole
// chain in the client's name. The client sees none of those answers, and must
// not learn from them: the target of a CNAME, for one, would look like a name
// that it asked for.
type nested struct{ context.Context }

type nestedKey struct{}

// depth is what a context says of whose question it belongs to.
type depth uint8

const (
	clientsOwn depth = iota + 1 // the client's, below this plugin
	coreDNSOwn                  // one that CoreDNS puts to itself on the way
)

// Value implements the context.Context interface.
func (n *nested) Value(key any) any {
	if key == (nestedKey{}) {
		return clientsOwn
	}
	return n.Context.Value(key)
}

// inner is the context below this plugin of a question that CoreDNS puts to
// itself.
type inner struct{ context.Context }

// Value implements the context.Context interface.
func (i inner) Value(key any) any {
	if key == (nestedKey{}) {
		return coreDNSOwn
	}
	return i.Context.Value(key)
}

// teach passes on what the client learns from msg, holds it as long as it has
// to be held, and reports whether the client may have it.
func (n *Nameward) teach(ctx context.Context, client netip.Addr, question string, msg *dns.Msg) bool {
	if msg.Rcode != dns.RcodeSuccess || len(msg.Answer) == 0 {
		return true
	}
	x := extractions.Get().(*extraction)
	defer extractions.Put(x)
	x.read(question, msg.Answer, n.targets(question))
	if len(x.addresses) == 0 {
		return true
	}
	outcome, waited := n.hub.Answer(ctx, client, hub.Answer{Names: x.names, Addresses: x.addresses}, n.hold)
	if outcome == hub.IdentityLost {
		identityLost.WithLabelValues(metrics.WithServer(ctx)).Inc()
	}
	switch {
	case outcome == hub.Crowded:
		crowded.WithLabelValues(metrics.WithServer(ctx), n.atBound()).Inc()
		return !n.servfail
	case !outcome.Held():
		return true
	}
	server := metrics.WithServer(ctx)
	held.WithLabelValues(server).Inc()
	holdDuration.WithLabelValues(server).Observe(waited.Seconds())
	released.WithLabelValues(server, reason(outcome)).Inc()
	switch outcome {
	case hub.TimedOut:
		holdTimeouts.WithLabelValues(server, n.atBound()).Inc()
		return !n.servfail
	case hub.Abandoned:
		return !n.servfail
	default:
		return true
	}
}

// targets: there is no autopath but in the zones of the block's own. A name of
// another zone may look like one of a search path, and its owner could lead the
// pod to whatever address he likes, under a name that its rules have.
func (n *Nameward) targets(question string) targets {
	switch {
	case n.cnameTargets:
		return everyTarget
	case n.searchZones.Contains(question):
		return searchTarget
	default:
		return noTarget
	}
}

func (n *Nameward) atBound() string {
	if n.servfail {
		return "servfail"
	}
	return "answer"
}

var extractions = sync.Pool{New: func() any { return new(extraction) }}

// teaches reports whether the reply to r can hold addresses that the client
// would use. Everything else passes by: a zone transfer, for one, is written in
// several messages and cannot be captured as one.
func teaches(r *dns.Msg) bool {
	if r.Opcode != dns.OpcodeQuery || len(r.Question) != 1 || r.Question[0].Qclass != dns.ClassINET {
		return false
	}
	switch r.Question[0].Qtype {
	case dns.TypeA, dns.TypeAAAA, dns.TypeHTTPS, dns.TypeSVCB, dns.TypeANY:
		return true
	default:
		return false
	}
}

// clientOf returns the source of the query, invalid if it has no address.
func clientOf(w dns.ResponseWriter) netip.Addr {
	var addr netip.Addr
	switch remote := w.RemoteAddr().(type) {
	case *net.UDPAddr:
		addr = remote.AddrPort().Addr()
	case *net.TCPAddr:
		addr = remote.AddrPort().Addr()
	case nil:
	default:
		if parsed, err := netip.ParseAddrPort(remote.String()); err == nil {
			addr = parsed.Addr()
		}
	}
	return addr.Unmap().WithZone("")
}
