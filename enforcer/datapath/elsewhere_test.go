package datapath

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/nameward/nameward/enforcer/policy"
)

// crowdedWorld has many pods on other nodes, and a policy that allows the
// client half of them.
func crowdedWorld(client *scenePod, others int) *policy.World {
	w := &policy.World{Node: "here", Default: policy.Deny, Namespaces: map[string]labels.Set{"app": {}}}
	w.Pods = append(w.Pods, &policy.Pod{
		Ref:  policy.PodRef{Namespace: "app", Name: "client", UID: "client"},
		Node: "here", Addresses: []netip.Addr{client.addr},
	})
	for i := range others {
		w.Pods = append(w.Pods, otherPod(i))
	}
	even, err := labels.Parse("parity=0")
	if err != nil {
		panic(err)
	}
	w.Policies = []*policy.Policy{{
		Ref:     policy.PolicyRef{Group: "networking.k8s.io", Kind: "NetworkPolicy", Namespace: "app", Name: "even"},
		Tier:    policy.TierNetworkPolicy,
		Subject: policy.PodSelector{Namespace: "app"},
		Egress: &policy.Section{Rules: []policy.Rule{{
			Action: policy.ActionAccept, AllPorts: true,
			Peers: []policy.Peerage{{Pods: &policy.PodSelector{Pods: even}}},
		}}},
	}}
	return w
}

func otherPod(i int) *policy.Pod {
	return &policy.Pod{
		Ref: policy.PodRef{Namespace: "app", Name: fmt.Sprint("other-", i), UID: fmt.Sprint("other-", i)}, Node: "there",
		Labels:    labels.Set{"parity": fmt.Sprint(i % 2)},
		Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 2, byte(i >> 8), byte(i)})},
	}
}

// tally counts the writes to each table.
type tally struct {
	mu     sync.Mutex
	writes map[string]int
}

// before leaves out the traces, which stay and are shared.
func (t *tally) before(table string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if table != "traces" {
		t.writes[table]++
	}
	return nil
}

// TestPodElsewhereIsOneWrite: a pod that comes to another node, goes or is
// given other labels changes the entry of its address, and the epoch by which
// connections are judged again (P12).
func TestPodElsewhereIsOneWrite(t *testing.T) {
	f := newFixture(t)
	count := &tally{writes: map[string]int{}}
	d := f.open(Config{Before: count.before})
	defer d.Close()
	w := crowdedWorld(f.client, 100)
	c := policy.Compile(w)
	f.apply(d, c.Tables)

	relabelled := *w.Pods[3]
	relabelled.Labels = labels.Set{"parity": "1"}
	for _, step := range []struct {
		sentence string
		pods     []*policy.Pod
		want     map[string]int
	}{
		{"a pod comes", append(slices.Clip(w.Pods), otherPod(200)), map[string]int{"addresses": 1, "world": 1}},
		{"it goes", w.Pods, map[string]int{"addresses": 1, "world": 1}},
		{"another gets other labels", append(append(slices.Clone(w.Pods[:3]), &relabelled), w.Pods[4:]...),
			map[string]int{"addresses": 1, "world": 1}},
	} {
		clear(count.writes)
		to := *w
		to.Pods = step.pods
		next := c.Next(&to)
		f.apply(d, policy.Transition(c, next), next.Tables)
		c = next
		if got := fmt.Sprint(count.writes); got != fmt.Sprint(step.want) {
			t.Errorf("%s: got writes %v, want %v", step.sentence, got, step.want)
		}
	}
}

// BenchmarkPodElsewhere is what a pod that comes to another node costs this
// one, from its object to the kernel, in a cluster of 10,000.
func BenchmarkPodElsewhere(b *testing.B) {
	f := newFixture(b)
	d := f.open(Config{})
	defer d.Close()
	w := crowdedWorld(f.client, 10_000)
	c := policy.Compile(w)
	f.apply(d, c.Tables)
	with := *w
	with.Pods = append(slices.Clip(w.Pods), otherPod(20_000))
	worlds := []*policy.World{&with, w}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		next := c.Next(worlds[i%2])
		f.apply(d, policy.Transition(c, next), next.Tables)
		c = next
	}
}
