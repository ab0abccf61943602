package main

import (
	"net/netip"
	"testing"
	"time"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/grants"
	"github.com/nameward/nameward/enforcer/policy"
)

// P16, N2: a pod with the address of one that is gone has none of what that one
// learnt, and what is answered at the address from then on is its own.
func TestSuccessorLearnsForItself(t *testing.T) {
	m := newMemory()
	inBubble(t, m, func(t *testing.T, b *bench) {
		b.update(draftOf(named([]string{"example.com"}, 443)))
		b.learn(1, "example.com", web)
		if len(m.held) != 1 {
			t.Fatalf("got %v in the kernel, want the first pod's address", m.held)
		}
		w := worldOf(named([]string{"example.com"}, 443))
		w.Pods[0].Ref.UID = "successor-uid"
		successor := policy.EndpointOf("successor-uid")
		b.update(&draft{
			compiled:   policy.Compile(w),
			interfaces: map[policy.EndpointID]datapath.Interface{successor: {Name: "pod0"}},
			pods:       map[policy.EndpointID][]netip.Addr{successor: {podAddr}},
			settings:   grants.Settings{MinTTL: 30 * time.Second, Grace: time.Minute},
		})
		if len(b.node.book.Grants(podID)) != 0 || len(b.node.book.Grants(successor)) != 0 {
			t.Errorf("got grants %v of the first pod and %v of its successor, want none",
				b.node.book.Grants(podID), b.node.book.Grants(successor))
		}
		b.learn(2, "example.com", web)
		got := b.node.book.Grants(successor)
		if len(got) != 1 || got[0].Addr != web || len(b.node.book.Grants(podID)) != 0 {
			t.Errorf("got grants %v, want the address for the successor alone", got)
		}
	})
}
