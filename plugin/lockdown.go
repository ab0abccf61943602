package nameward

import (
	"context"
	"net/netip"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/autopath"
	"github.com/coredns/coredns/plugin/metrics"

	"github.com/miekg/dns"

	"github.com/nameward/nameward/plugin/internal/hub"
	"github.com/nameward/nameward/plugin/names"
)

// lockdown is how one server block refuses, and what every pod may ask.
type lockdown struct {
	rcode int
	zones []string // the cluster's own, canonical and fully qualified
}

// rules says what becomes of a client's query. A message of another kind than
// one question is of no use to a pod and can carry any name in its sections
// (an UPDATE, RFC 2136), so it is outside of every rule.
func (n *Nameward) rules(client netip.Addr, r *dns.Msg) hub.Lockdown {
	if r.Opcode != dns.OpcodeQuery || len(r.Question) != 1 {
		return n.hub.LockedDown(client)
	}
	name := r.Question[0].Name
	ruling := n.hub.Lockdown(client, names.Canonical(name))
	if ruling == hub.LockdownOff || n.lockdown.inside(name) {
		return hub.LockdownOff
	}
	return ruling
}

// inside reports whether name is in one of the zones. Labels are compared, not
// text: an escaped dot ends none.
func (l *lockdown) inside(name string) bool {
	for _, zone := range l.zones {
		if dns.IsSubDomain(zone, name) {
			return true
		}
	}
	return false
}

// locks counts and logs what lockdown says of the query, and reports whether it
// has to be refused.
func (n *Nameward) locks(ctx context.Context, client netip.Addr, r *dns.Msg, rcode int) bool {
	ruling := n.rules(client, r)
	switch ruling {
	case hub.LockdownOff:
		return false
	case hub.LockdownAudit:
		wouldRefuse.WithLabelValues(metrics.WithServer(ctx)).Inc()
	default:
		refused.WithLabelValues(metrics.WithServer(ctx), dns.RcodeToString[rcode]).Inc()
	}
	refusals.note(client, r, ruling)
	return ruling != hub.LockdownAudit
}

// rcodeFor is the code that r is refused with. NXDOMAIN is an answer to a
// question; in an UPDATE it means something else (RFC 2136, 2.2).
func (l *lockdown) rcodeFor(r *dns.Msg) int {
	if r.Opcode != dns.OpcodeQuery || len(r.Question) != 1 {
		return dns.RcodeRefused
	}
	return l.rcode
}

// refuse writes the answer. It has no SOA: what is refused to one client must
// not be cached for others (RFC 2308, 5). The returned code is one that tells
// the server that the answer has been written.
func refuse(w dns.ResponseWriter, r *dns.Msg, rcode int) (int, error) {
	m := new(dns.Msg).SetRcode(r, rcode)
	m.RecursionAvailable = true
	if opt := r.IsEdns0(); opt != nil {
		m.SetEdns0(4096, opt.Do())
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_EDE{
			InfoCode: dns.ExtendedErrorCodeBlocked, ExtraText: "outside of the pod's name rules",
		}}
	}
	if err := w.WriteMsg(m); err != nil {
		return dns.RcodeSuccess, plugin.Error(pluginName, err)
	}
	return dns.RcodeSuccess, nil
}

// fence stands below autopath, which asks for names that the client has not
// asked for: from data.evil.com.NAMESPACE.svc.cluster.local, inside the
// cluster's zone, it strips the search path, and data.evil.com would be
// forwarded.
type fence struct {
	*Nameward
	next plugin.Handler
}

// fenceAutopath puts a fence below the block's autopath. It is called while the
// chain is made, before anybody asks.
func (n *Nameward) fenceAutopath(a *autopath.AutoPath) {
	a.Next = &fence{Nameward: n, next: a.Next}
}

// ServeDNS implements the plugin.Handler interface. It answers as the end of one
// element of the search path, so that autopath goes on to the next.
func (f *fence) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	if own, _ := ctx.Value(nestedKey{}).(depth); own == clientsOwn {
		if client := clientOf(w); client.IsValid() && f.locks(ctx, client, r, dns.RcodeNameError) {
			return refuse(w, r, dns.RcodeNameError)
		}
	}
	return plugin.NextOrFailure(f.Name(), f.next, ctx, w, r)
}
