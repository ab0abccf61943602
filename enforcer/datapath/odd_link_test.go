package datapath

import (
	"fmt"
	"slices"

	"github.com/nameward/nameward/hack/prove/wire"
)

func oddLinks() []oddRow {
	var rows []oddRow
	types := []struct {
		name string
		kind uint16
	}{
		{"802.3 with an LLC header", 46}, {"802.3 of the greatest length", 1500}, {"a type between length and type", 1535},
		{"Wake-on-LAN", 0x0842}, {"TRILL", 0x22f3}, {"RARP", 0x8035}, {"AppleTalk", 0x809b},
		{"IPX", 0x8137}, {"flow control", 0x8808}, {"slow protocols (LACP)", 0x8809}, {"MPLS", 0x8847},
		{"MPLS multicast", 0x8848}, {"PPPoE discovery", 0x8863}, {"PPPoE session", 0x8864}, {"EAPOL", 0x888e},
		{"PROFINET", 0x8892}, {"LLDP", 0x88cc}, {"MACsec", 0x88e5}, {"PTP", 0x88f7}, {"FCoE", 0x8906},
		{"HSR", 0x892f}, {"NSH", 0x894f}, {"loopback test", 0x9000}, {"the old QinQ type", 0x9100},
		{"batman", 0x4305}, {"GRE's bridged Ethernet", 0x6558}, {"a type of nobody", 0xfefe}, {"type ffff", 0xffff},
	}
	inner := four.tcp(openPort).IP()
	for _, t := range types {
		rows = append(rows, row(fmt.Sprintf("a frame of type %#04x: %s", t.kind, t.name),
			bytesOf(drops("ethertype"), t.kind, inner)))
	}
	snap := slices.Concat([]byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, inner)
	rows = append(rows,
		row("IP in SNAP in an 802.3 frame (RFC 1042)", bytesOf(drops("ethertype"), uint16(len(snap)), snap)),
		row("MPLS with one label before an allowed packet",
			bytesOf(drops("ethertype"), 0x8847, slices.Concat([]byte{0, 1, 1, 64}, inner))),
		row("a PPPoE session with an allowed packet",
			bytesOf(drops("ethertype"), 0x8864, slices.Concat([]byte{0x11, 0, 0, 1, 0, 42, 0, 0x21}, inner))),
		row("ARP", bytesOf(passes("arp"), wire.EtherARP, make([]byte, 28))),
	)
	return append(rows, oddTags()...)
}

func oddTags() []oddRow {
	const vlan, qinq = wire.EtherVLAN, wire.EtherQinQ
	chains := []struct {
		name string
		tags []wire.Tag
	}{
		{"an 802.1Q tag", []wire.Tag{{Type: vlan, Control: 5}}},
		{"an 802.1ad tag", []wire.Tag{{Type: qinq, Control: 5}}},
		{"a mere priority", []wire.Tag{{Type: vlan, Control: 0xe000}}},
		{"no network and no priority", []wire.Tag{{Type: vlan}}},
		{"QinQ", []wire.Tag{{Type: qinq, Control: 5}, {Type: vlan, Control: 6}}},
		{"two 802.1Q tags", []wire.Tag{{Type: vlan, Control: 5}, {Type: vlan, Control: 6}}},
		{"a priority over a network", []wire.Tag{{Type: vlan}, {Type: vlan, Control: 6}}},
		{"four tags", []wire.Tag{{Type: qinq, Control: 1}, {Type: qinq, Control: 2}, {Type: vlan, Control: 3}, {Type: vlan, Control: 4}}},
	}
	var rows []oddRow
	for _, f := range families {
		for _, c := range chains {
			p := f.tcp(openPort)
			p.Link.Tags = c.tags
			back := turned(p)
			rows = append(rows, row(fmt.Sprintf("%s before %s", c.name, f.name), step(drops("vlan"), p)),
				row(fmt.Sprintf("%s before %s, inward", c.name, f.name), inward(drops("vlan"), back)))
		}
	}
	arp := wire.Packet{From: four.pod, To: four.peer, Segment: make([]byte, 8)}
	arp.Link = wire.Link{EtherType: wire.EtherARP, Tags: chains[0].tags}
	return append(rows, row("a tag before ARP", step(drops("vlan"), arp)))
}
