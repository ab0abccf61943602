package cluster

import (
	"math/bits"
	"net/netip"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
)

// The pools are small, so that random policies and packets meet.
var (
	namespaces = []string{"a", "b", "c"}
	// elsewhere are addresses of no pod.
	elsewhere = addrs("10.0.0.9", "10.9.0.1", "192.168.0.1", "192.168.0.2", "192.168.0.3", "fd01::1", "fd01::2",
		"203.0.113.7", "203.0.113.8", "8.8.8.8", "2001:db8::7", "2001:db8:1::1", "::1", "127.0.0.1", "169.254.20.10",
		"0.0.0.0", "255.255.255.255", "fe80::1", "fd00::9")
	cidrs = []string{"0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/24", "10.0.0.0/29", "10.0.0.0/30", "10.0.0.2/31",
		"10.0.0.1/32", "10.0.0.4/32", "192.168.0.0/16", "192.168.0.2/32", "203.0.113.0/24", "203.0.113.7/32", "8.0.0.0/7",
		"128.0.0.0/1", "::/0", "::/1", "::/64", "::/96", "fd00::/8", "fd00::/16", "fd00::/126", "fd00::2/127", "fd00::1/128",
		"2001:db8::/32", "2001:db8::/48", "2001:db8::7/128", "10.0.0.77/8", "010.000.000.0/24"}
	badCIDRs  = []string{"10.0.0.0", "10.0.0.0/33", "300.0.0.0/8", "::ffff:10.0.0.0/104", "", "fd00::/-1"}
	patterns  = []string{"*.example.com", "example.com", "api.example.com", "*.test", "API.Example.com."}
	badNames  = []string{"^.com", "1.2.3.4", "a..b", "*"}
	learnt    = []string{"api.example.com", "example.com", "x.y.example.com", "a.test", "other.org"}
	portPool  = []int32{1, 53, 79, 80, 81, 443, 8080, 8081, 65535}
	portNames = []string{"web", "dns"}
)

func addrs(all ...string) (out []netip.Addr) {
	for _, s := range all {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

// slotAddrs are the addresses that a pod of that slot may have.
func slotAddrs(slot int) []netip.Addr {
	four, six := netip.MustParseAddr("10.0.0.0").As4(), netip.MustParseAddr("fd00::").As16()
	four[3], six[15] = byte(slot+1), byte(slot+1)
	return []netip.Addr{netip.AddrFrom4(four), netip.AddrFrom16(six)}
}

// evenly gives 0 to n-1, each about as often. Package rapid's integers lie at the
// ends of their range much of the time, which is good for sums and bad here: with
// them every other rule is malformed, and hardly any accepts.
func evenly(t *rapid.T, label string, n int) int {
	width := bits.Len(uint(n-1)) + 3
	drawn := 0
	for range width {
		drawn <<= 1
		if bit.Draw(t, label) {
			drawn |= 1
		}
	}
	return drawn * n >> width
}

var bit = rapid.Bool()

func pick[T any](t *rapid.T, label string, from []T) T { return from[evenly(t, label, len(from))] }

// chance is true once in n.
func chance(t *rapid.T, label string, n int) bool { return evenly(t, label, n) == n-1 }

func count(t *rapid.T, label string, least, most int) int {
	return least + evenly(t, label, most-least+1)
}

// odd is how many of a kind there are to one that is malformed: a rule that is
// closed says little, and so do those after it.
const odd = 200

// several draws least to most values.
func several[T any](t *rapid.T, label string, least, most int, draw func() T) []T {
	var all []T
	for range count(t, label, least, most) {
		all = append(all, draw())
	}
	return all
}

func drawLabels(t *rapid.T) map[string]string {
	set := map[string]string{}
	for _, key := range []string{"app", "tier"} {
		if v := pick(t, key, []string{"-", "", "x", "x", "y"}); v != "-" {
			set[key] = v
		}
	}
	return set
}

// selectors are full label semantics (P12).
var selectors = []metav1.LabelSelector{
	{},
	{},
	{},
	equal("app", "x"),
	equal("app", "y"),
	equal("app", ""),
	equal("tier", "y"),
	expression("app", metav1.LabelSelectorOpIn, "x", "y"),
	expression("app", metav1.LabelSelectorOpNotIn, "x"),
	expression("app", metav1.LabelSelectorOpNotIn, ""),
	expression("app", metav1.LabelSelectorOpExists),
	expression("app", metav1.LabelSelectorOpDoesNotExist),
	{MatchLabels: map[string]string{"tier": "x"}, MatchExpressions: expression("app", metav1.LabelSelectorOpExists).MatchExpressions},
}

var badSelectors = []metav1.LabelSelector{
	expression("app", "Near", "x"),
	expression("app", metav1.LabelSelectorOpIn),
	expression("app", metav1.LabelSelectorOpExists, "x"),
	equal("app", "not a value"),
}

func equal(key, value string) metav1.LabelSelector {
	return metav1.LabelSelector{MatchLabels: map[string]string{key: value}}
}

func expression(key string, op metav1.LabelSelectorOperator, values ...string) metav1.LabelSelector {
	return metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: key, Operator: op, Values: values}}}
}

func drawSelector(t *rapid.T) *metav1.LabelSelector {
	if chance(t, "bad selector", odd) {
		s := pick(t, "bad", badSelectors)
		return s.DeepCopy()
	}
	s := pick(t, "selector", selectors)
	return s.DeepCopy()
}

// drawNamespaceSelector may go by the label that every namespace has.
func drawNamespaceSelector(t *rapid.T) *metav1.LabelSelector {
	if chance(t, "by name", 3) {
		s := equal("kubernetes.io/metadata.name", pick(t, "namespace", namespaces))
		return &s
	}
	return drawSelector(t)
}
