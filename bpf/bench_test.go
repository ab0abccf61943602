package bpf

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/cilium/ebpf"
)

// Each benchmark reports the kernel's own time per packet for the hook
// (ns/packet) next to that of a program that does nothing, in the same run:
// figures of different runs or machines do not compare.
func BenchmarkHook(b *testing.B) {
	k := load(b)
	tiers := stance(policyIn, policyEg, [2]uint8{1, 1}, false)
	team := tiers // most pods: no rule of the cluster's administrators
	team.Wide = [2]uint8{}
	for side := range team.List {
		team.List[side][KernelTierTIER_ADMIN], team.List[side][KernelTierTIER_BASELINE] = 0, 0
	}
	plain, byName := KernelEndpoint{Stances: [2]KernelStance{team}}, named(team)
	admin, adminByName := KernelEndpoint{Stances: [2]KernelStance{tiers}}, named(tiers)
	onTrial := plain
	onTrial.Audited, onTrial.Stances[audited] = 1, team
	k.crowd(20000, 10000)
	k.port(tcp, 443, webPort)
	k.prefix("192.0.2.0/24", cidrClass)
	k.row(policyEg, cidrClass, webPort, allows(0))
	k.row(policyEg, nameClass, webPort, allows(1))
	k.grant(name4, nameClass, never)
	k.service(service4, 443, KernelCell{Class: cidrClass, Port: webPort})
	k.change(plain)

	going := packetOf(true, cidr4, tcp, 40000, 443, ack)
	open := between(out, cidr4, tcp, 443)
	rows := []struct {
		name  string
		pod   KernelEndpoint
		into  bool
		frame []byte
		want  KernelReason
	}{
		{"established", plain, false, going, KernelReasonPASS_ESTABLISHED},
		{"reply", plain, true, answer(out, cidr4, tcp, 443), KernelReasonPASS_REPLY},
		{"deny", plain, false, between(out, far4, tcp, 443), KernelReasonDROP_NETWORK_POLICY},
		{"deny_known_peer_other_port", plain, false, between(out, cidr4, tcp, 80), KernelReasonDROP_NETWORK_POLICY},
		{"deny_pod_with_name_rules", byName, false, between(out, far4, tcp, 443), KernelReasonDROP_NETWORK_POLICY},
		{"deny_udp", plain, false, between(out, far4, udp, 53), KernelReasonDROP_NETWORK_POLICY},
		{"new_by_cidr", plain, false, open, KernelReasonPASS_NETWORK_POLICY},
		{"new_by_cidr_pod_with_admin_rules", admin, false, open, KernelReasonPASS_NETWORK_POLICY},
		{"new_by_cidr_pod_on_trial", onTrial, false, open, KernelReasonPASS_NETWORK_POLICY},
		{"new_by_service", plain, false, between(out, service4, tcp, 443), KernelReasonPASS_NETWORK_POLICY},
		{"deny_pod_with_admin_rules", admin, false, between(out, far4, tcp, 443), KernelReasonDROP_NETWORK_POLICY},
		{"new_by_name", byName, false, between(out, name4, tcp, 443), KernelReasonPASS_NETWORK_POLICY_NAME},
		{"new_by_name_pod_with_admin_rules", adminByName, false, between(out, name4, tcp, 443),
			KernelReasonPASS_NETWORK_POLICY_NAME},
	}
	for _, row := range rows {
		b.Run(row.name, func(b *testing.B) {
			b.ReportAllocs()
			k.change(row.pod)
			k.run(out, open)
			direction, prog := out, k.OutOfPod
			if row.into {
				direction, prog = in, k.IntoPod
			}
			k.expect(direction, row.frame, row.want)
			k.compare(b, prog, row.frame)
		})
	}
}

// compare alternates between the hook and nothing, so that both meet the same
// disturbances, and takes the best of each: the rest is other people's noise.
func (k *kernel) compare(b *testing.B, prog *ebpf.Program, frame []byte) {
	const repeat = 100_000
	best := func(p *ebpf.Program, so int64) int64 {
		_, d, err := p.Benchmark(frame, repeat, nil)
		must(b, err)
		if so == 0 || d.Nanoseconds() < so {
			return d.Nanoseconds()
		}
		return so
	}
	var hook, nothing int64
	for b.Loop() {
		nothing = best(k.Nothing, nothing)
		hook = best(prog, hook)
	}
	b.ReportMetric(float64(hook), "ns/packet")
	b.ReportMetric(float64(nothing), "ns/nothing")
	b.ReportMetric(float64(hook-nothing), "ns/added")
	b.ReportMetric(0, "ns/op")
}

// crowd fills the tables as in a large cluster: pods of both families, and
// prefixes of many lengths all over both address spaces. None covers the
// addresses that the benchmarks ask for.
func (k *kernel) crowd(peers, prefixes int) {
	k.tb.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range peers {
		four := netip.AddrFrom4([4]byte{10, byte(1 + i>>16), byte(i >> 8), byte(i)})
		six := netip.AddrFrom16([16]byte{0xfd, 0x10, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)})
		addr := four
		if i%2 == 1 {
			addr = six
		}
		k.peer(addr.String(), KernelPeer{Class: 0x10000 + uint64(i%50)})
	}
	for range prefixes {
		var b [16]byte
		for j := range b {
			b[j] = byte(random.Uint32())
		}
		p := netip.PrefixFrom(netip.AddrFrom16(b), 24+random.IntN(96))
		if random.IntN(2) == 0 {
			b[0] = byte(20 + random.IntN(150)) // not 10, 192, 198 or 203
			p = netip.PrefixFrom(netip.AddrFrom4([4]byte(b[:4])), 12+random.IntN(20))
		}
		k.prefix(p.Masked().String(), 0x20000+uint64(random.IntN(50)))
	}
}
