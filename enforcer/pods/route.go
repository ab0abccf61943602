package pods

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// route is the way to one address, or the default route if to is not valid.
type route struct {
	to      netip.Addr
	devices []int
}

// offsets in struct rtmsg
const (
	rtFamily = 0
	rtBits   = 1
	rtTable  = 4
	rtType   = 7
)

// interesting says whether a route can lead to one pod, or away from the node:
// all else, a cluster's thousands of prefixes among them, costs no look.
func interesting(b []byte) bool {
	if len(b) < unix.SizeofRtMsg || b[rtType] != unix.RTN_UNICAST || b[rtTable] == unix.RT_TABLE_LOCAL {
		return false
	}
	switch b[rtFamily] {
	case unix.AF_INET:
		return b[rtBits] == 0 || b[rtBits] == 32
	case unix.AF_INET6:
		return b[rtBits] == 0 || b[rtBits] == 128
	}
	return false
}

// parseRoute reads the body of RTM_NEWROUTE.
func parseRoute(b []byte) (r route, ok bool) {
	if !interesting(b) {
		return r, false
	}
	for kind, value := range attributes(b[unix.SizeofRtMsg:]) {
		switch kind {
		case unix.RTA_DST:
			to, ok := netip.AddrFromSlice(value)
			if !ok {
				return r, false
			}
			r.to = to
		case unix.RTA_OIF:
			r.devices = append(r.devices, number(value))
		case unix.RTA_MULTIPATH:
			r.devices = append(r.devices, hops(value)...)
		}
	}
	return r, r.to.IsValid() == (b[rtBits] != 0)
}

// hops reads the devices of a route with several ways (struct rtnexthop).
func hops(b []byte) (devices []int) {
	for len(b) >= unix.SizeofRtNexthop {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofRtNexthop || size > len(b) {
			return devices
		}
		devices = append(devices, number(b[4:]))
		b = b[min(len(b), (size+unix.RTA_ALIGNTO-1)&^(unix.RTA_ALIGNTO-1)):]
	}
	return devices
}

// address is one that an interface has.
type address struct {
	addr  netip.Addr
	index int
}

// parseAddress reads the body of RTM_NEWADDR (struct ifaddrmsg).
func parseAddress(b []byte) (a address, ok bool) {
	if len(b) < unix.SizeofIfAddrmsg {
		return a, false
	}
	a.index = number(b[4:])
	local := false
	for kind, value := range attributes(b[unix.SizeofIfAddrmsg:]) {
		// Where both are told, IFA_ADDRESS is the other end of a cable.
		if kind == unix.IFA_LOCAL || kind == unix.IFA_ADDRESS && !local {
			a.addr, _ = netip.AddrFromSlice(value)
			local = local || kind == unix.IFA_LOCAL
		}
	}
	return a, a.addr.IsValid()
}
