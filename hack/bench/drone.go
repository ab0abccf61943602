package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"github.com/nameward/nameward/plugin/stream"
)

const (
	// podPolicies are the different policies of the cluster; pods have one each.
	podPolicies = 100
	// podNames and podWildcards are the patterns of one policy.
	podNames, podWildcards = 8, 2
)

// drone is the enforcer of one node, as far as the stream knows.
type drone struct {
	nth, pods int
	session   stream.Names_SessionClient
	told      chan struct{} // of the canary
	failed    chan error
}

func nodeName(n int) string { return fmt.Sprintf("node-%d", n) }

// podAddress is unlike those of other pods, of any node, and of loopback, so
// that the question for the canary can come from it.
func podAddress(node, pods, pod int) netip.Addr {
	at := uint32(node*pods+pod) + 1
	return netip.AddrFrom4([4]byte{127, byte(64 + at>>16), byte(at >> 8), byte(at)})
}

// podPatterns are those of a policy in its nth version.
func podPatterns(policy, version int) []string {
	patterns := make([]string, 0, podNames+podWildcards+1)
	for i := range podNames {
		patterns = append(patterns, fmt.Sprintf("service-%d.team-%d.v%d.example.org", i, policy, version))
	}
	for i := range podWildcards {
		patterns = append(patterns, fmt.Sprintf("*.bucket-%d.team-%d.v%d.example.org", i, policy, version))
	}
	return patterns
}

// subscription is all pods of the node. In later versions the last one wants
// the canary as well; as a Subscription is applied whole, and what it makes the
// plugin replay comes after that, whoever is told of the canary knows that all
// of it is in force.
func (d *drone) subscription(version int) *stream.Subscription {
	s := &stream.Subscription{Reset_: version == 0}
	for pod := range d.pods {
		w := &stream.Watch{Addresses: [][]byte{podAddress(d.nth, d.pods, pod).AsSlice()},
			Patterns: podPatterns((d.nth*d.pods+pod)%podPolicies, version)}
		if version > 0 && pod == d.pods-1 {
			w.Patterns = append(w.Patterns, canary)
		}
		s.Watches = append(s.Watches, w)
	}
	return s
}

// newDrone connects as the enforcer does, with small buffers of its own: 5,000
// of them share one process here.
func newDrone(ctx context.Context, target string, nth, pods int, config *tls.Config) (*drone, error) {
	d := &drone{nth: nth, pods: pods, told: make(chan struct{}, 1), failed: make(chan error, 1)}
	const buffer = 4 << 10
	conn, err := grpc.NewClient("passthrough:///"+target,
		grpc.WithTransportCredentials(credentials.NewTLS(config)),
		grpc.WithContextDialer(dialFrom(nth)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: stream.KeepaliveTime, Timeout: stream.KeepaliveTimeout}),
		grpc.WithReadBufferSize(buffer), grpc.WithWriteBufferSize(buffer))
	if err != nil {
		return nil, fmt.Errorf("dial CoreDNS: %w", err)
	}
	hello := &stream.Hello{Version: stream.Version, Node: nodeName(nth), NodeAddresses: [][]byte{
		{172, 20, byte(nth >> 8), byte(nth)}, netip.AddrFrom16([16]byte{0xfd, 12: 20, 14: byte(nth >> 8), 15: byte(nth)}).AsSlice()}}
	if d.session, err = greet(ctx, conn, hello); err != nil {
		return nil, err
	}
	if err := d.send(d.subscription(0)); err != nil {
		return nil, err
	}
	go d.receive()
	return d, nil
}

// dialFrom has nodes come from several addresses: CoreDNS bounds what one source
// opens at a time.
func dialFrom(node int) func(context.Context, string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(node))}}
	return func(ctx context.Context, target string) (net.Conn, error) { return d.DialContext(ctx, "tcp", target) }
}

func (d *drone) send(s *stream.Subscription) error {
	return d.session.Send(&stream.ClientMessage{Message: &stream.ClientMessage_Subscription{Subscription: s}})
}

func (d *drone) receive() {
	for {
		m, err := d.session.Recv()
		if err == nil {
			err = d.session.Send(acknowledgement(m.GetLearned().GetSeq(), longValidity))
		}
		if err != nil {
			d.failed <- err
			return
		}
		if m.GetLearned().GetName() == canary {
			d.told <- struct{}{}
		}
	}
}

// change replaces all patterns and returns when that is in force.
func (d *drone) change(ctx context.Context) error {
	if err := d.send(d.subscription(1)); err != nil {
		return err
	}
	select {
	case <-d.told:
		return nil
	case err := <-d.failed:
		return fmt.Errorf("session ended: %w", err)
	case <-ctx.Done():
		return fmt.Errorf("await the canary: %w", ctx.Err())
	}
}
