package pods

import (
	"encoding/binary"
	"iter"
	"net"

	"golang.org/x/sys/unix"
)

// nowhere is the namespace id of what has no other end in another namespace.
const nowhere = -1

// link is an interface of the node's network namespace, as far as it matters.
type link struct {
	name  string
	index int
	// kind is "" for hardware, slave the kind of what it is enslaved to.
	kind, slave string
	mac         string
	// peer is the index of the other end (IFLA_LINK), in the namespace nsid,
	// which is the kernel's number for it here, or nowhere.
	peer, nsid int
}

// far says whether what enters the interface comes out in another network
// namespace, as all pods' do. The kernel says so, nobody there can forge it.
func (l *link) far() bool {
	return l.nsid != nowhere && (l.kind == "veth" || l.kind == "netkit")
}

// same says whether this is still the interface that the other was: an index
// can be used again, and a namespace's number is, soon.
func (l *link) same(o *link) bool {
	return l.index == o.index && l.peer == o.peer && l.nsid == o.nsid && l.kind == o.kind && l.mac == o.mac
}

func (l *link) here() Interface { return Interface{Name: l.name, Index: l.index} }

// attributes goes through a netlink message's, as far as they are whole.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= unix.SizeofRtAttr {
			size := int(binary.NativeEndian.Uint16(b))
			if size < unix.SizeofRtAttr || size > len(b) {
				return
			}
			kind := binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
			if !yield(kind, b[unix.SizeofRtAttr:size]) {
				return
			}
			b = b[min(len(b), (size+unix.RTA_ALIGNTO-1)&^(unix.RTA_ALIGNTO-1)):]
		}
	}
}

func number(b []byte) int {
	if len(b) < 4 {
		return 0
	}
	return int(int32(binary.NativeEndian.Uint32(b)))
}

func text(b []byte) string { return unix.ByteSliceToString(b) }

// parseLink reads the body of RTM_NEWLINK. It is nil for what is none: bridges
// send messages of their own under the same number.
func parseLink(b []byte) *link {
	if len(b) < unix.SizeofIfInfomsg || b[0] != unix.AF_UNSPEC {
		return nil
	}
	l := &link{index: number(b[4:]), nsid: nowhere}
	for kind, value := range attributes(b[unix.SizeofIfInfomsg:]) {
		switch kind {
		case unix.IFLA_IFNAME:
			l.name = text(value)
		case unix.IFLA_ADDRESS:
			l.mac = net.HardwareAddr(value).String()
		case unix.IFLA_LINK:
			l.peer = number(value)
		case unix.IFLA_LINK_NETNSID:
			l.nsid = number(value)
		case unix.IFLA_LINKINFO:
			for kind, value := range attributes(value) {
				switch kind {
				case unix.IFLA_INFO_KIND:
					l.kind = text(value)
				case unix.IFLA_INFO_SLAVE_KIND:
					l.slave = text(value)
				}
			}
		}
	}
	return l
}
