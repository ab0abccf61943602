package datapath

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/hack/prove/wire"
)

// endPort is where the datagram comes from that ends a row.
const endPort = 40001

// send sends a row, and gives what the stacks that it went to were handed.
func (c *cable) send(t testing.TB, r oddRow) map[policy.Direction][]delivery {
	t.Helper()
	got := make(map[policy.Direction][]delivery)
	for _, e := range c.ends {
		e.drain(t) // answers to the row before
	}
	for _, s := range r.steps {
		c.ends[s.direction].send(t, s.frame)
		got[s.direction] = nil
	}
	for direction := range got {
		end, receiver := ending(direction, four, r.sentence), c.ends[opposite(direction)]
		c.ends[direction].send(t, end)
		receiver.awaitEnd(t, r.sentence)
		got[direction] = receiver.drain(t)
		if len(got) > 1 {
			got[direction] = slices.DeleteFunc(got[direction], isAnswer)
		}
	}
	return got
}

func opposite(d policy.Direction) policy.Direction { return policy.Ingress + policy.Egress - d }

// ending is a datagram to the open port, the last of what goes that way.
func ending(direction policy.Direction, f family, text string) []byte {
	from, to := f.pod, f.peer
	link := wire.Link{From: podMAC, To: peerMAC}
	if direction == policy.Ingress {
		from, to = f.peer, f.pod
		link = wire.Link{From: peerMAC, To: podMAC}
	}
	p := wire.UDP(on(from, endPort), on(to, openPort), text)
	p.Link = link
	return p.Frame()
}

// onCable are the rows that an interface carries: no super-packets, which need
// a header of their own.
func onCable() []oddRow {
	return slices.DeleteFunc(corpus(), func(r oddRow) bool {
		return slices.ContainsFunc(r.steps, func(s oddStep) bool { return s.super != super{} })
	})
}

// deliveryOf is what a receiver is handed that reads the frame so; false where
// it is handed nothing, or not yet.
func deliveryOf(r wire.Reading) delivery {
	d := delivery{from: r.From, protocol: r.Protocol, fromPort: r.FromPort, toPort: r.ToPort}
	if r.HasType {
		d.fromPort, d.toPort = 0, uint16(r.Type)
	}
	return d
}

// TestOddDelivery: every row over a real interface, under the policy that is
// closed but for one port. What the stack behind it is handed is what the row
// lets pass, and each frame is counted for the row's reason (D3, D4).
func TestOddDelivery(t *testing.T) {
	c := newCable(t, 65535)
	d := c.police(oddWorld(true))
	for _, r := range onCable() {
		forgetConnections(t, d, c.pod.id)
		before := counts(t, d)
		got := c.send(t, r)
		grown := changes(before, counts(t, d))
		allowed := make(map[policy.Direction][]delivery)
		want := make(map[string]uint64)
		for _, s := range r.steps {
			want[s.direction.String()+" "+s.want.closed]++
			if s.want.closed[:4] != "deny" {
				allowed[s.direction] = append(allowed[s.direction], deliveryOf(wire.Parse(s.frame)))
			}
		}
		for direction, all := range got {
			for _, one := range all {
				if !slices.Contains(allowed[direction], one) {
					t.Errorf("%s: %v: the stack was handed %v, want only %v", r.sentence, direction, one, allowed[direction])
				}
			}
		}
		for reason, n := range want {
			if counted(grown, reason) < n {
				t.Errorf("%s: got %d counted as %q, want %d; all: %v", r.sentence, counted(grown, reason), reason, n, grown)
			}
		}
	}
}

func counted(grown []Counter, reason string) (n uint64) {
	for _, c := range grown {
		if c.Direction.String()+" "+c.Reason.Verdict().String()+" "+c.Reason.String() == reason {
			n += c.Packets
		}
	}
	return n
}

// TestReceiversRead: without any filter, Linux is handed nothing that
// wire.Parse did not read from the row, and all that it calls sound. So the
// stack is no friend of the rows: what the policy denied above would have come.
func TestReceiversRead(t *testing.T) {
	c := newCable(t, 65535)
	dangerous := 0
	for _, r := range onCable() {
		readings := make(map[policy.Direction][]delivery)
		sound := make(map[policy.Direction][]delivery)
		for _, s := range r.steps {
			reading := wire.Parse(s.frame)
			readings[s.direction] = append(readings[s.direction], deliveryOf(reading))
			if reading.Sound() && reading.To == receiverOf(s) && slices.Contains(rawProtocols, reading.Protocol) {
				sound[s.direction] = append(sound[s.direction], deliveryOf(reading))
			}
		}
		for direction, all := range c.send(t, r) {
			for _, one := range all {
				if !slices.Contains(readings[direction], one) {
					t.Errorf("%s: %v: Linux was handed %v, want one of %v", r.sentence, direction, one, readings[direction])
				}
				if one.toPort == shutPort {
					dangerous++
				}
			}
			for _, one := range sound[direction] {
				if !slices.Contains(all, one) && !isDiscovery(one) && !isAnswer(one) {
					t.Errorf("%s: %v: Linux was handed %v, want %v as well", r.sentence, direction, all, one)
				}
			}
		}
	}
	if dangerous < 100 {
		t.Errorf("rows whose other port Linux reads: got %d, want at least 100", dangerous)
	}
}

// isAnswer: what a stack answers to a request of the row.
func isAnswer(d delivery) bool {
	return d.protocol == wire.ProtocolICMP && (d.toPort == 0 || d.toPort == 14) ||
		d.protocol == wire.ProtocolICMPv6 && d.toPort == 129
}

func isDiscovery(d delivery) bool {
	return d.protocol == wire.ProtocolICMPv6 && (d.toPort >= 130 && d.toPort <= 137 || d.toPort == 143)
}

func receiverOf(s oddStep) netip.Addr {
	to := oddPeer
	if s.direction == policy.Ingress {
		to = oddPod
	}
	if wire.Parse(s.frame).To.Is4() {
		return to.four
	}
	return to.six
}

// String is for failures.
func (d delivery) String() string {
	return fmt.Sprintf("protocol %d from %v port %d to port %d", d.protocol, d.from, d.fromPort, d.toPort)
}
