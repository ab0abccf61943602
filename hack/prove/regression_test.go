package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/manifests"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/settings"
	"github.com/nameward/nameward/hack/prove/cluster"
	"github.com/nameward/nameward/hack/prove/kernel"
)

// want is a packet and what becomes of it.
type want struct {
	packet  cluster.Packet
	verdict policy.Verdict
	tier    policy.Tier
}

func egress(pod, peer string, port uint16) cluster.Packet {
	return cluster.Packet{
		Pod: pod, Direction: policy.Egress, Peer: netip.MustParseAddr(peer), Protocol: cluster.TCP, Port: port,
	}
}

// worldOf reads manifests as users' are read.
func worldOf(t *testing.T, text string) *policy.World {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "cluster.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := manifests.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s.World(cluster.Here, settings.Settings{Default: policy.Allow})
}

func podOn(slot int, name, addr string) string {
	return fmt.Sprintf(`
---
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: a, uid: %s, labels: {app: %s}, annotations: {nameward.io/interface: %s}}
spec: {nodeName: n1, containers: [{name: main}]}
status: {podIPs: [{ip: %s}]}
`, name, name, name, cluster.Interface(slot), addr)
}

// isolated denies a pod all egress but that to one CIDR.
func isolated(app, cidr string) string {
	return fmt.Sprintf(`
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: %s, namespace: a}
spec: {podSelector: {matchLabels: {app: %s}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: %s}}]}]}
`, app, app, cidr)
}

// What proofs have found, each as the manifests before and after and a packet.
var regressions = []struct {
	sentence string
	clusters []string
	want     []want
}{
	{
		sentence: "P16, D9: a new pod has the interface of one that is gone, which was refused for ever (attach: file exists)",
		clusters: []string{
			podOn(0, "old", "10.0.0.1"),
			podOn(0, "new", "10.0.0.1") + isolated("new", "10.0.0.0/8"),
		},
		want: []want{
			{egress("a/new", "8.8.8.8", 80), policy.Deny, policy.TierNetworkPolicy},
			{egress("a/new", "10.9.0.1", 80), policy.Allow, policy.TierNetworkPolicy},
		},
	},
	{
		sentence: "D9: two pods exchange their interfaces",
		clusters: []string{
			podOn(0, "one", "10.0.0.1") + podOn(1, "two", "10.0.0.2") + isolated("one", "10.0.0.0/8"),
			podOn(1, "one", "10.0.0.1") + podOn(0, "two", "10.0.0.2") + isolated("one", "10.0.0.0/8"),
		},
		want: []want{
			{egress("a/one", "8.8.8.8", 80), policy.Deny, policy.TierNetworkPolicy},
			{egress("a/two", "8.8.8.8", 80), policy.Allow, policy.TierDefault},
		},
	},
	{
		sentence: "D9: a pod takes the interface of one that moves to a new one",
		clusters: []string{
			podOn(0, "one", "10.0.0.1") + podOn(1, "two", "10.0.0.2") + isolated("one", "10.0.0.0/8"),
			podOn(1, "one", "10.0.0.1") + podOn(2, "two", "10.0.0.2") + isolated("one", "10.0.0.0/8"),
		},
		want: []want{
			{egress("a/one", "8.8.8.8", 80), policy.Deny, policy.TierNetworkPolicy},
			{egress("a/two", "8.8.8.8", 80), policy.Allow, policy.TierDefault},
		},
	},
}

func TestRegressions(t *testing.T) {
	for _, r := range regressions {
		t.Run(r.sentence, func(t *testing.T) {
			inside(t, func(n *kernel.Node) error {
				var w *policy.World
				for _, text := range r.clusters {
					w = worldOf(t, text)
					if err := n.Apply(w, policy.Compile(w)); err != nil {
						return err
					}
				}
				return meets(t, n, w, r.want)
			})
		})
	}
}

func inside(t *testing.T, do func(*kernel.Node) error) {
	t.Helper()
	needsKernel(t, kernel.Inside(do))
}

// meets holds the kernel and the rules to the packets.
func meets(t *testing.T, n *kernel.Node, w *policy.World, all []want) error {
	t.Helper()
	for _, m := range all {
		flow, ok := m.packet.Flow(w)
		if !ok {
			t.Errorf("%v: got no such pod", m.packet)
			continue
		}
		if d := policy.Evaluate(w, flow); d.Verdict != m.verdict || d.Tier != m.tier {
			t.Errorf("%v: rules: got %v in tier %v, want %v in tier %v", m.packet, d.Verdict, d.Tier, m.verdict, m.tier)
		}
		got, _, err := n.Judge(flow)
		if err != nil {
			return err
		}
		if got.Verdict() != m.verdict || got.Tier() != m.tier {
			t.Errorf("%v: kernel: got %v, want %v in tier %v", m.packet, got, m.verdict, m.tier)
		}
	}
	return nil
}

// D7, D10: a change that was refused after its pods and peers had been switched
// is overtaken by another, on the way to which no pod may get the old policy back
// under classes that it has no rows for.
func TestOvertakenChangeIsNoMixture(t *testing.T) {
	pods := podOn(0, "one", "10.0.0.1")
	// 8.8.8.8 is denied by all three, though by rules for other CIDRs, on port
	// 80, though by rules for other ports.
	from := worldOf(t, pods+admin("first", "8.0.0.0/7", 1, 100))
	to := worldOf(t, pods+admin("second", "8.8.0.0/16", 50, 90))
	last := worldOf(t, pods+admin("third", "8.8.8.8/32", 80, 85))
	denied := []want{{egress("a/one", "8.8.8.8", 80), policy.Deny, policy.TierAdmin}}
	inside(t, func(n *kernel.Node) error {
		if err := n.Apply(from, policy.Compile(from)); err != nil {
			return err
		}
		n.Before = func(table string, _ bool) error {
			if table == "world" { // the epoch, when all is switched
				return unix.ENOMEM
			}
			return nil
		}
		if err := n.Apply(to, policy.Compile(to)); err == nil {
			t.Error("got no error from a refused write")
		}
		n.Before = func(_ string, here bool) error {
			if !here {
				return nil
			}
			err := meets(t, n, last, denied)
			if errors.Is(err, datapath.ErrNotAttached) {
				return nil // judged by programs in which nothing is written any more
			}
			return err
		}
		if err := n.Apply(last, policy.Compile(last)); err != nil {
			return err
		}
		return meets(t, n, last, denied)
	})
}

func admin(name, cidr string, first, last int) string {
	return fmt.Sprintf(`
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: %s}
spec: {tier: Admin, priority: 0, subject: {namespaces: {}}, egress: [{
  action: Deny, to: [{networks: [%s]}], protocols: [{tcp: {destinationPort: {range: {start: %d, end: %d}}}}]}]}
`, name, cidr, first, last)
}

// D10: what a refused write has left of a pod goes with the next attempt: of one
// that is no more, and of a new one that then does not come.
func TestRefusedPodLeavesNothing(t *testing.T) {
	one := worldOf(t, podOn(0, "one", "10.0.0.1"))
	both := worldOf(t, podOn(0, "one", "10.0.0.1")+podOn(1, "two", "10.0.0.2"))
	for _, c := range []struct {
		sentence        string
		before, refused *policy.World
		last            *policy.World
		table           string
	}{
		{"a pod that goes", both, one, one, "endpoints"},
		{"a pod that comes, and then does not", one, both, one, "connections"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			inside(t, func(n *kernel.Node) error {
				if err := n.Apply(c.before, policy.Compile(c.before)); err != nil {
					return err
				}
				n.Before = func(table string, _ bool) error {
					if table == c.table {
						return unix.ENOMEM
					}
					return nil
				}
				if err := n.Apply(c.refused, policy.Compile(c.refused)); err == nil {
					t.Error("got no error from a refused write")
				}
				n.Before = nil
				if err := n.Apply(c.last, policy.Compile(c.last)); err != nil {
					return err
				}
				contents, err := n.Contents()
				if got := len(contents["endpoints"]); got != 1 {
					t.Errorf("got %d endpoints in the kernel, want 1: %v", got, contents["endpoints"])
				}
				return err
			})
		})
	}
}

// D7, D10: an attempt that failed after its pods had the new policy is made
// again, and the old policy does not come back meanwhile.
func TestRefusedChangeDoesNotGoBack(t *testing.T) {
	open := worldOf(t, podOn(0, "one", "10.0.0.1")+isolated("one", "0.0.0.0/0"))
	closed := worldOf(t, podOn(0, "one", "10.0.0.1")+isolated("one", "10.0.0.0/8"))
	denied := []want{{egress("a/one", "8.8.8.8", 80), policy.Deny, policy.TierNetworkPolicy}}
	inside(t, func(n *kernel.Node) error {
		if err := n.Apply(open, policy.Compile(open)); err != nil {
			return err
		}
		after := policy.Compile(closed)
		n.Before = func(table string, here bool) error {
			if table == "world" { // the epoch, when the policy is switched
				return unix.ENOMEM
			}
			return nil
		}
		if err := n.Apply(closed, after); err == nil {
			t.Error("got no error from a refused write")
		}
		looks := 0
		n.Before = func(table string, here bool) error {
			if looks++; !here {
				return nil
			}
			return meets(t, n, closed, denied)
		}
		if err := n.Apply(closed, after); err != nil {
			return err
		}
		if looks == 0 {
			t.Error("the second attempt wrote nothing")
		}
		return meets(t, n, closed, denied)
	})
}
