package main

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/dns"
	"github.com/nameward/nameward/enforcer/policy"
)

// BenchmarkLearn is the node's own part of an answer, without the stream and
// the kernel: the first of each name, and one that extends.
func BenchmarkLearn(b *testing.B) {
	addresses := make([]netip.Addr, 4096)
	addr := netip.MustParseAddr("198.51.0.1")
	names := make([]string, len(addresses))
	for i := range addresses {
		addresses[i], names[i] = addr, addr.String()+".example.com"
		addr = addr.Next()
	}
	n := newNode(idle{}, datapath.Now, slog.New(slog.DiscardHandler), newMeters(prometheus.NewRegistry(), build{}))
	u := newUpdate(nil, draftOf(named([]string{"*.example.com"}, 443)))
	n.accept(u)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		at := i % len(addresses)
		n.deliver(b.Context(), dns.Learned{Client: podAddr, Name: names[at], Addresses: []dns.Address{{IP: addresses[at], TTL: time.Minute}}, Session: idle{}})
		i++
	}
}

// idle is a kernel, and a session, that takes everything.
type idle struct{}

func (idle) Apply([]*policy.Tables, map[policy.EndpointID]datapath.Interface) error { return nil }
func (idle) Revoke(policy.EndpointID, []netip.Addr) error                           { return nil }
func (idle) Granted() ([]datapath.Granted, error)                                   { return nil, nil }
func (idle) Acknowledge(uint64, time.Duration)                                      {}
func (idle) Guard([]datapath.Interface, datapath.Posture) error                     { return nil }
func (idle) ShutNext() (bool, error)                                                { return false, nil }
func (idle) Attached() map[policy.EndpointID]datapath.Interface                     { return nil }
func (idle) Connected(policy.EndpointID) ([]datapath.Connected, error)              { return nil, nil }
func (idle) Classes() (map[policy.EndpointID][]policy.ClassID, error)               { return nil, nil }
func (idle) Grant(policy.EndpointID, map[policy.RowKey]policy.Precedence, []datapath.Entry) error {
	return nil
}
