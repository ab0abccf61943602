package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/policy"
)

// D8: grants and connections survive the enforcer; their rows are there before
// its first policy takes effect.
func TestRestartTakesOverGrantsAndConnections(t *testing.T) {
	rules := named([]string{"*.example.org", "example.com"}, 443)
	before := policy.Compile(worldOf(rules))
	entry := func(addr netip.Addr, patterns ...string) datapath.Granted {
		return datapath.Granted{Endpoint: podID, Entry: datapath.Entry{Addr: addr, Class: before.NameClass(patterns), Expires: time.Minute}}
	}
	m := newMemory()
	strange := netip.MustParseAddr("198.51.100.30")
	m.left = []datapath.Granted{entry(web, "*.example.org", "example.com"), entry(strange, "example.net")}
	idle := before.NameClass([]string{"*.example.org"})
	m.connections = []policy.ClassID{idle}
	m.watched = []probe{{peer: web, port: 443}, {peer: other, port: 443, class: idle}}
	inBubble(t, m, func(t *testing.T, b *bench) {
		b.update(draftOf(rules))
		if len(m.denied) > 0 {
			t.Errorf("denied meanwhile: %s", strings.Join(m.denied, "; "))
		}
		if _, held := m.held[strange]; held {
			t.Error("an entry whose patterns nobody knows is still granted")
		}
		if got := b.node.book.Grants(podID); len(got) != 1 || got[0].Addr != web || got[0].Expires != time.Minute {
			t.Errorf("book: got %v, want the address found with its expiry", got)
		}
		b.learn(1, "example.com", web)
		if b.acks[1] != 90*time.Second || !b.kernel.allows(web, 443) {
			t.Errorf("an answer for a restored address: got %v, want it extended", b.acks[1])
		}
	})
}

func TestRestartThatCannotReadTheKernelIsTriedAgain(t *testing.T) {
	m := newMemory()
	m.failures["granted"] = []error{fmt.Errorf("no memory")}
	inBubble(t, m, func(t *testing.T, b *bench) {
		b.update(draftOf(named([]string{"example.com"})))
		if b.node.applied.Load() != nil {
			t.Error("a policy is in force though the kernel's entries were not read")
		}
		b.pass(time.Second)
		if b.node.applied.Load() == nil {
			t.Error("no policy is in force after a while")
		}
	})
}

func TestResolve(t *testing.T) {
	class := policy.Compile(worldOf()).NameClass
	many := make([]string, 40)
	for i := range many {
		many[i] = fmt.Sprintf("n%02d.example", i)
	}
	few := many[:maxSubsets]
	tests := []struct {
		sentence string
		patterns []string
		set      []string
		found    bool
	}{
		{"a single one of few", few, few[3:4], true},
		{"any subset of few", few, []string{few[0], few[4], few[7], few[11]}, true},
		{"all of few", few, few, true},
		{"a single one of many", many, many[7:8], true},
		{"a pair of many", many, []string{many[3], many[30]}, true},
		{"all of many", many, many, true},
		{"three of many", many, []string{many[3], many[20], many[30]}, false},
		{"a pattern that the pod has no more", few, []string{"gone.example"}, false},
		{"a pod without patterns", nil, []string{"gone.example"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.sentence, func(t *testing.T) {
			classes := map[policy.ClassID][]string{class(tt.set): nil}
			resolve(class, tt.patterns, classes)
			got := classes[class(tt.set)]
			if tt.found && !slices.Equal(got, tt.set) || !tt.found && got != nil {
				t.Errorf("got %q, want %q to be found: %v", got, tt.set, tt.found)
			}
		})
	}
}
