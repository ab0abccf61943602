# shellcheck shell=bash disable=SC2153  # OUT_NS is no misspelling of OUT_NETS
# All the world outside the cluster: the network namespace lab-out, behind the control plane, with a
# DNS server and web servers under public-looking addresses (RFC 5737, RFC 3849). See outside/ for names.

OUT_NETS="198.51.100.0/24 203.0.113.0/24"
OUT_NETS6="2001:db8:51::/64 2001:db8:113::/64"

outside_start() {
	local n listen=$OUT_DNS
	ip netns add "$OUT_NS"
	in_ns "$OUT_NS" ip link set lo up
	ip -n "$CP_NS" link add lab-out type veth peer name eth0 netns "$OUT_NS"
	ip -n "$CP_NS" addr add 192.0.2.1/30 dev lab-out
	ip -n "$CP_NS" link set lab-out up
	in_ns "$OUT_NS" ip addr add 192.0.2.2/30 dev eth0
	in_ns "$OUT_NS" ip link set eth0 up
	in_ns "$OUT_NS" ip route add default via 192.0.2.1
	for n in $OUT_NETS; do
		# local as a whole: one server has all addresses
		in_ns "$OUT_NS" ip route add local "$n" dev lo
		ip -n "$CP_NS" route add "$n" via 192.0.2.2
	done
	if have_ipv6; then
		ip -n "$CP_NS" addr add fd79::1/126 dev lab-out nodad
		in_ns "$OUT_NS" ip addr add fd79::2/126 dev eth0 nodad
		in_ns "$OUT_NS" ip -6 route add default via fd79::1
		for n in $OUT_NETS6; do
			in_ns "$OUT_NS" ip -6 route add local "$n" dev lo
			ip -n "$CP_NS" -6 route add "$n" via fd79::2
		done
		# a local route is not enough to bind an IPv6 address
		in_ns "$OUT_NS" ip addr add "$OUT_DNS6/128" dev lo nodad
		listen=$listen,$OUT_DNS6
	fi
	start outside "$OUT_NS" outside -dns "$listen"
	wait_for 10 outside in_ns "$OUT_NS" bash -c "exec 3<>/dev/tcp/$OUT_DNS/53"
}

outside_stop() {
	stop outside
	ip netns del "$OUT_NS" 2>/dev/null || true
}
