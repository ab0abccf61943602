package datapath

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/hack/prove/wire"
)

// fuzzWorld has rules of several kinds, so that a misread address, protocol or
// port shows: with ports and without, prefixes with holes, a tier above.
func fuzzWorld() *policy.World {
	w := oddWorld(true)
	block := func(cidr string, except ...string) policy.Peerage {
		b := &policy.Block{CIDR: netip.MustParsePrefix(cidr)}
		for _, e := range except {
			b.Except = append(b.Except, netip.MustParsePrefix(e))
		}
		return policy.Peerage{Block: b}
	}
	section := &policy.Section{Rules: append([]policy.Rule{
		{Action: policy.ActionAccept, AllPorts: true,
			Peers: []policy.Peerage{block("203.0.113.0/24", "203.0.113.128/25"), block("fd0f::/16", "fd0f::8000/113")}},
		{Action: policy.ActionAccept, AllPeers: true, Ports: []policy.Port{{Protocol: wire.ProtocolUDP, First: 256, Last: 511}}},
	}, w.Policies[0].Egress.Rules...)}
	w.Policies[0].Egress, w.Policies[0].Ingress = section, section
	deny := policy.Rule{Action: policy.ActionDeny, Peers: []policy.Peerage{block("203.0.113.64/26"), block("fd0f::40/122")},
		Ports: []policy.Port{{Protocol: wire.ProtocolTCP, First: 0, Last: 1023}}}
	w.Policies = append(w.Policies, &policy.Policy{
		Ref:  policy.PolicyRef{Group: "policy.networking.k8s.io", Kind: "ClusterNetworkPolicy", Name: "admin"},
		Tier: policy.TierAdmin, Egress: &policy.Section{Rules: []policy.Rule{deny}},
	})
	return w
}

// A fuzzed input is a sequence of frames, each behind two bytes: whether it is
// inward, and its length.
const (
	inwardBit = 0x8000
	mostSteps = 8
)

func encode(steps []oddStep) []byte {
	var b []byte
	for _, s := range steps {
		head := uint16(len(s.frame))
		if s.direction == policy.Ingress {
			head |= inwardBit
		}
		b = append(binary.BigEndian.AppendUint16(b, head), s.frame...)
	}
	return b
}

// decode takes any bytes: a length that is too great means the rest.
func decode(b []byte) (steps []oddStep) {
	for len(b) > 2 && len(steps) < mostSteps {
		head := binary.BigEndian.Uint16(b)
		n := min(int(head&^inwardBit), len(b)-2)
		s := oddStep{direction: policy.Egress, frame: b[2 : 2+n]}
		if head&inwardBit != 0 {
			s.direction = policy.Ingress
		}
		steps, b = append(steps, s), b[2+n:]
	}
	return steps
}

// FuzzPacket: any bytes, as a sequence of frames to a pod without connections.
// What passes is what the reference evaluator allows for what a receiver's own
// stack would read, or follows from what passed before; what is sound and
// allowed passes; and each verdict is counted (D3, D4, D5).
func FuzzPacket(f *testing.F) {
	for _, r := range corpus() {
		f.Add(encode(r.steps))
	}
	b := newBench(f, fuzzWorld())
	f.Fuzz(func(t *testing.T, input []byte) {
		b.tb = t
		if failure := b.hold(decode(input)); failure != "" {
			t.Fatal(failure)
		}
	})
}

// hold judges the frames, one after the other, and says where the programs and
// the oracle disagree.
func (b *bench) hold(steps []oddStep) (failure string) {
	b.tb.Helper()
	b.forget()
	o := newOracle(b.world)
	for i, s := range steps {
		got, passed, err := b.run(s.direction, s.frame, super{})
		if errors.Is(err, errNotRun) {
			continue
		}
		r := wire.Parse(s.frame)
		may, must := o.judge(s.direction, r)
		if passed && !may || !passed && must {
			want := map[bool]string{true: "dropped", false: "passed"}[passed]
			return fmt.Sprintf("frame %d, %v: got %q, want it %s; receivers read %+v; all frames: %x",
				i+1, s.direction, got, want, r, encode(steps))
		}
		if passed {
			o.passed(s.direction, r)
		}
	}
	return ""
}
