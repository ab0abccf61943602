package datapath

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"net"
	"slices"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/enforcer/policy"
)

// synTo is a frame that opens a connection of the pod, from the interface of
// that name in it.
func (s *scene) synTo(from, to *scenePod, port uint16) []byte {
	s.t.Helper()
	var source, destination net.HardwareAddr
	s.inside(from, func() {
		l, err := netlink.LinkByName("eth0")
		must(s.t, err)
		source = l.Attrs().HardwareAddr
	})
	l, err := netlink.LinkByName(from.iface)
	must(s.t, err)
	destination = l.Attrs().HardwareAddr

	ip := make([]byte, 20)
	ip[0], ip[8], ip[9] = 0x45, 64, unix.IPPROTO_TCP
	binary.BigEndian.PutUint16(ip[2:], 40)
	copy(ip[12:], from.addr.AsSlice())
	copy(ip[16:], to.addr.AsSlice())
	tcp := make([]byte, 20)
	binary.BigEndian.PutUint16(tcp[0:], 41000)
	binary.BigEndian.PutUint16(tcp[2:], port)
	tcp[12], tcp[13] = 5<<4, 0x02
	return slices.Concat(destination, source, []byte{0x08, 0x00}, ip, tcp)
}

// send puts a frame on an interface of the pod.
func (s *scene) send(from *scenePod, iface string, frame []byte) {
	s.t.Helper()
	s.inside(from, func() {
		l, err := netlink.LinkByName(iface)
		must(s.t, err)
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		must(s.t, err)
		defer unix.Close(fd)
		must(s.t, again(func() error {
			return unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: l.Attrs().Index, Protocol: network(unix.ETH_P_IP)})
		}))
	})
}

// TestTagBesideTheFrame: the kernel keeps a VLAN tag out of the frame that a
// program sees; it counts all the same, and so do two (D3).
func TestTagBesideTheFrame(t *testing.T) {
	p := newPlay(t, HookAuto, false)
	p.turn(world([]*scenePod{p.client}))
	frame := p.synTo(p.client, p.server, 80)
	for tags := range 3 {
		if tags > 0 {
			p.tag(p.client)
		}
		before, passed := packets(t, p.d, "vlan"), packets(t, p.d, "default-allow")
		p.send(p.client, "eth0", frame)
		dropped, through := packets(t, p.d, "vlan")-before > 0, packets(t, p.d, "default-allow")-passed > 0
		if dropped != (tags > 0) || through != (tags == 0) {
			t.Errorf("%d tags: got dropped %v and passed %v, want it dropped for a tag alone", tags, dropped, through)
		}
	}
}

// tag has another tag pushed on all that the pod sends: as a VLAN device would,
// whether or not this kernel has those.
func (s *scene) tag(p *scenePod) {
	s.t.Helper()
	push, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SchedCLS, License: "GPL",
		Instructions: asm.Instructions{
			asm.Mov.Imm(asm.R2, int32(network(unix.ETH_P_8021Q))),
			asm.Mov.Imm(asm.R3, 5),
			asm.FnSkbVlanPush.Call(),
			asm.Mov.Imm(asm.R0, -1), // TC_ACT_UNSPEC
			asm.Return(),
		},
	})
	must(s.t, err)
	s.t.Cleanup(func() { push.Close() })
	s.inside(p, func() {
		l, err := netlink.LinkByName("eth0")
		must(s.t, err)
		if err := netlink.QdiscAdd(&netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
			LinkIndex: l.Attrs().Index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT,
		}}); !errors.Is(err, fs.ErrExist) {
			must(s.t, err)
		}
		must(s.t, netlink.FilterAdd(&netlink.BpfFilter{
			FilterAttrs: netlink.FilterAttrs{
				LinkIndex: l.Attrs().Index, Parent: netlink.HANDLE_MIN_EGRESS, Protocol: unix.ETH_P_ALL,
			},
			Fd: push.FD(), Name: "tag", DirectAction: true,
		}))
	})
}

// TestHeadersNotInLine: a packet whose headers are in fragments of the buffer is
// judged by them all the same: what is allowed passes, nothing else (D3).
func TestHeadersNotInLine(t *testing.T) {
	p := newPlay(t, HookAuto, false)
	p.turn(world([]*scenePod{p.client}, isolating(policy.Egress, to("10.1.0.2/32", 80))))
	for _, c := range []struct {
		sentence string
		port     uint16
		reason   string
	}{
		{"the allowed port", 80, "allowed"},
		{"another port", 81, "not-allowed"},
	} {
		before := packets(t, p.d, c.reason)
		p.sendScattered(p.client, p.synTo(p.client, p.server, c.port))
		if packets(t, p.d, c.reason) == before {
			t.Errorf("%s: got another verdict than %s: %v", c.sentence, c.reason, verdicts(t, p.d))
		}
	}
	cut := packets(t, p.d, "truncated")
	p.sendScattered(p.client, p.synTo(p.client, p.server, 80)[:14+20+10])
	if packets(t, p.d, "truncated") == cut {
		t.Errorf("a header that is cut short: got it taken for whole: %v", verdicts(t, p.d))
	}
}

// sendScattered sends a frame of which only the Ethernet header is in line: the
// kernel takes what is in a ring of PACKET_TX_RING as fragments of the buffer
// (tpacket_fill_skb in net/packet/af_packet.c).
func (s *scene) sendScattered(from *scenePod, frame []byte) {
	s.t.Helper()
	s.inside(from, func() {
		l, err := netlink.LinkByName("eth0")
		must(s.t, err)
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		must(s.t, err)
		defer unix.Close(fd)
		must(s.t, unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V2))
		size := unix.Getpagesize()
		ring := unix.TpacketReq{Block_size: uint32(size), Block_nr: 1, Frame_size: uint32(size), Frame_nr: 1}
		must(s.t, unix.SetsockoptTpacketReq(fd, unix.SOL_PACKET, unix.PACKET_TX_RING, &ring))
		memory, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		must(s.t, err)
		defer unix.Munmap(memory)
		header := (*unix.Tpacket2Hdr)(unsafe.Pointer(&memory[0]))
		offset := (int(unsafe.Sizeof(*header)) + 15) &^ 15 // TPACKET_ALIGN
		copy(memory[offset:], frame)
		header.Len, header.Status = uint32(len(frame)), unix.TP_STATUS_SEND_REQUEST
		must(s.t, again(func() error {
			return unix.Sendto(fd, nil, 0, &unix.SockaddrLinklayer{Ifindex: l.Attrs().Index, Protocol: network(unix.ETH_P_IP)})
		}))
	})
}
