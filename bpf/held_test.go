package bpf

import "testing"

// holds is a grant whose time is over, and which is held until then.
func (k *kernel) holds(addr string, class, until uint64) {
	k.tb.Helper()
	inner := k.table(k.Grants)
	defer inner.Close()
	must(k.tb, inner.Put(address(addr), KernelGrant{Class: class, Expires: 1, Held: until}))
}

// evict empties the table of connections, as a flood from the pod does.
func (k *kernel) evict() {
	k.tb.Helper()
	inner := k.table(k.Connections)
	defer inner.Close()
	var flow KernelFlow
	for inner.NextKey(nil, &flow) == nil {
		must(k.tb, inner.Delete(flow))
	}
}

// allowByName lets the pod open by name to port 443, and nothing else.
func allowByName(tb testing.TB) *kernel {
	tb.Helper()
	k := load(tb)
	k.change(isolated)
	k.scene()
	k.row(policyEg, nameClass, webPort, allows(0))
	return k
}

// TestHeldGrant: past its time a grant opens nothing. While it is held it
// vouches for established TCP, also where the connection's entry is gone (N6).
func TestHeldGrant(t *testing.T) {
	const closed = KernelReasonDROP_NETWORK_POLICY
	cases := []struct {
		name      string
		direction KernelDirection
		frame     func(peer string) []byte
		held      uint64
		want      KernelReason
	}{
		{"a SYN opens nothing", out, func(p string) []byte { return between(out, p, tcp, 443) }, never, closed},
		{"nor does an answer to one that never came", out,
			func(p string) []byte { return packetOf(true, p, tcp, 40000, 443, syn|ack) }, never, closed},
		{"a packet from within a connection passes", out,
			func(p string) []byte { return packetOf(true, p, tcp, 40000, 443, ack) }, never, KernelReasonPASS_NETWORK_POLICY_NAME},
		{"so does its end", out,
			func(p string) []byte { return packetOf(true, p, tcp, 40000, 443, fin|ack) }, never, KernelReasonPASS_NETWORK_POLICY_NAME},
		{"and its reset", out,
			func(p string) []byte { return packetOf(true, p, tcp, 40000, 443, rst) }, never, KernelReasonPASS_NETWORK_POLICY_NAME},
		{"not to a port that the name's rule does not have", out,
			func(p string) []byte { return packetOf(true, p, tcp, 40000, 444, ack) }, never, closed},
		{"not once the grant is held no more", out,
			func(p string) []byte { return packetOf(true, p, tcp, 40000, 443, ack) }, 1, closed},
		{"not where it was never held", out,
			func(p string) []byte { return packetOf(true, p, tcp, 40000, 443, ack) }, 0, closed},
		{"UDP does not tell its first packet from others", out,
			func(p string) []byte { return between(out, p, udp, 443) }, never, closed},
		{"nor does SCTP", out, func(p string) []byte { return between(out, p, sctp, 443) }, never, closed},
		{"what the peer sends within the connection passes", in,
			func(p string) []byte { return packetOf(false, p, tcp, 443, 40000, ack) }, never, KernelReasonPASS_REPLY},
		{"from that port alone", in,
			func(p string) []byte { return packetOf(false, p, tcp, 444, 40000, ack) }, never, closed},
		{"as long as the grant is held", in,
			func(p string) []byte { return packetOf(false, p, tcp, 443, 40000, ack) }, 1, closed},
		{"the peer opens nothing", in,
			func(p string) []byte { return packetOf(false, p, tcp, 443, 40000, syn) }, never, closed},
		{"nor by an answer to no question", in,
			func(p string) []byte { return packetOf(false, p, tcp, 443, 40000, syn|ack) }, never, closed},
		{"nor by UDP", in, func(p string) []byte { return answer(out, p, udp, 443) }, never, closed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			k := allowByName(t)
			for _, peer := range []string{name4, name6} {
				k.holds(peer, nameClass, c.held)
				k.expect(c.direction, c.frame(peer), c.want)
			}
		})
	}
}

// TestEvictedConnection goes on under a held grant, and carries its class again:
// from then on it needs the grant no more, but the rule (N6, N7, D12).
func TestEvictedConnection(t *testing.T) {
	k := allowByName(t)
	k.grant(name4, nameClass, never)
	k.expect(out, between(out, name4, tcp, 443), KernelReasonPASS_NETWORK_POLICY_NAME)
	k.expect(in, answer(out, name4, tcp, 443), KernelReasonPASS_REPLY)
	k.holds(name4, nameClass, never)
	k.evict()
	back, forth := packetOf(false, name4, tcp, 443, 40000, ack), packetOf(true, name4, tcp, 40000, 443, ack)
	k.expect(in, back, KernelReasonPASS_REPLY)
	// The pod's packet makes the entry: whoever is outside cannot.
	k.expect(out, forth, KernelReasonPASS_NETWORK_POLICY_NAME)
	k.expect(out, forth, KernelReasonPASS_ESTABLISHED)
	k.holds(name4, nameClass, 1)
	k.expect(in, back, KernelReasonPASS_REPLY)
	k.change(isolated)
	k.expect(out, forth, KernelReasonPASS_ESTABLISHED)
	k.forget(policyEg, nameClass, webPort)
	k.change(isolated)
	k.expect(out, forth, KernelReasonDROP_NETWORK_POLICY)
	k.expect(in, back, KernelReasonDROP_NETWORK_POLICY)
}

// TestHeldGrantSavesConnection: where the rule that admitted a connection is
// gone, another name's grant saves it while it is held, if it is TCP (N6, N7).
func TestHeldGrantSavesConnection(t *testing.T) {
	for protocol, want := range map[byte]KernelReason{tcp: KernelReasonPASS_ESTABLISHED, udp: KernelReasonDROP_NETWORK_POLICY} {
		k := allowByName(t)
		k.grant(name4, nameClass, never)
		k.run(out, between(out, name4, protocol, 443))
		k.forget(policyEg, nameClass, webPort)
		k.row(policyEg, nameClass+1, webPort, allows(0))
		k.holds(name4, nameClass+1, never)
		k.change(isolated)
		k.expect(out, packetOf(true, name4, protocol, 40000, 443, ack), want)
	}
}

// TestLives: the enforcer takes those connections for alive that the programs
// let pass, but for the last packets of one that is closing (N6).
func TestLives(t *testing.T) {
	const day = 86400
	k := allowOut(t)
	for _, protocol := range []byte{tcp, udp, sctp} {
		for _, replied := range []bool{false, true} {
			for _, end := range []byte{0, fin, rst} {
				for _, seconds := range []uint64{0, 5, 11, 29, 31, 119, 121, 179, 181, 4 * day, 6 * day} {
					k.tellsLife(protocol, replied, end, seconds)
				}
			}
		}
	}
	if (KernelConnection{}).Lives(KernelFlow{Kind: uint8(KernelKindKIND_FRAGMENT)}, 0) {
		t.Error("a fragment lives, want it no connection")
	}
}

// tellsLife compares what Lives says of a connection with what the programs do.
func (k *kernel) tellsLife(protocol byte, replied bool, end byte, seconds uint64) {
	k.tb.Helper()
	k.evict()
	k.row(policyEg, 0, webPort, allows(0))
	k.run(out, between(out, far4, protocol, 443))
	if replied {
		k.run(in, answer(out, far4, protocol, 443))
	}
	ends := end != 0 && protocol == tcp
	if ends {
		k.run(out, packetOf(true, far4, tcp, 40000, 443, end|ack))
		k.run(in, packetOf(false, far4, tcp, 443, 40000, end|ack))
	}
	k.age(seconds)
	flow, c := k.only()
	got := c.Lives(flow, k.time())
	k.forget(policyEg, 0, webPort)
	_, reason := k.run(out, packetOf(true, far4, protocol, 40000, 443, ack))
	if want := reason.Passes() && !ends; got != want {
		k.tb.Errorf("protocol %d, replied %v, end %d, idle for %d s: got %v, want %v (%v)", protocol, replied, end, seconds, got, want, reason)
	}
}

// only is the pod's one connection.
func (k *kernel) only() (flow KernelFlow, c KernelConnection) {
	k.tb.Helper()
	inner := k.table(k.Connections)
	defer inner.Close()
	it := inner.Iterate()
	if !it.Next(&flow, &c) {
		k.tb.Fatal("no connection")
	}
	return flow, c
}

// time is what connections age by.
func (k *kernel) time() uint64 {
	k.tb.Helper()
	now, err := Time(k.TellTime)
	must(k.tb, err)
	return now
}
