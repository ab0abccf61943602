package main

import (
	"net/netip"
	"testing"
)

// D5, P20: a question about ICMP is about the protocol of the address's family.
func TestProtocolOfTheFamily(t *testing.T) {
	for _, test := range []struct {
		sentence string
		protocol protocol
		address  string
		want     uint8
	}{
		{"ICMP to IPv4 is protocol 1", icmp, "192.0.2.1", 1},
		{"ICMP to IPv6 is protocol 58", icmp, "2001:db8::1", 58},
		{"TCP is protocol 6 in both", tcp, "2001:db8::1", 6},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			if got := test.protocol.to(netip.MustParseAddr(test.address)); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}
