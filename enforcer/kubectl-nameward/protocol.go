package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// protocol is an IANA number; zero is none given. ICMP stands for that of
// either family.
type protocol uint8

const (
	icmp   protocol = 1
	tcp    protocol = 6
	udp    protocol = 17
	icmpv6 protocol = 58
	sctp   protocol = 132
)

func parseProtocol(text string) (protocol, error) {
	for _, p := range []protocol{tcp, udp, sctp, icmp} {
		if strings.EqualFold(text, p.String()) {
			return p, nil
		}
	}
	return 0, fmt.Errorf("%q is not a protocol; write tcp, udp, sctp or icmp", text)
}

func (p protocol) String() string {
	switch p {
	case tcp:
		return "TCP"
	case udp:
		return "UDP"
	case sctp:
		return "SCTP"
	case icmp, icmpv6:
		return "ICMP"
	default:
		return "unknown"
	}
}

// to is the number in packets to the address.
func (p protocol) to(a netip.Addr) uint8 {
	if p == icmp && a.Is6() {
		return uint8(icmpv6)
	}
	return uint8(p)
}

// portRef is a port as people write it: a number, or a container port's name.
// The zero portRef is none, as for ICMP.
type portRef struct {
	number uint16
	name   string
}

func (p portRef) given() bool { return p != portRef{} }

func (p portRef) String() string {
	if p.name != "" {
		return p.name
	}
	return strconv.Itoa(int(p.number))
}

func parsePort(text string) (portRef, error) {
	if number, err := strconv.Atoi(text); err == nil {
		if number < 1 || number > 65535 {
			return portRef{}, fmt.Errorf("port %s does not exist; write 1 to 65535", text)
		}
		return portRef{number: uint16(number)}, nil
	}
	lower := strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
	if text == "" || len(text) > 15 || !lower || strings.Trim(text, "0123456789-") == "" {
		return portRef{}, fmt.Errorf("%q is not a port; write a number or a container port's name", text)
	}
	return portRef{name: text}, nil
}

// checkPort says whether the port goes with the protocol.
func checkPort(port portRef, p protocol) error {
	switch {
	case p == icmp && port.given():
		return fmt.Errorf("ICMP has no ports; leave %q out", port)
	case p != icmp && !port.given():
		return errors.New("a port is missing; write a number or a container port's name, or the protocol icmp")
	}
	return nil
}
