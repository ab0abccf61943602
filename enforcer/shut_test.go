package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/dns"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
	"github.com/nameward/nameward/enforcer/settings"
)

// D9, P7, P23: what an interface without a pod gets.
func TestPosture(t *testing.T) {
	tests := []struct {
		sentence string
		settings settings.Settings
		want     policy.Verdict
	}{
		{"nothing said: denied", settings.Settings{Default: policy.Allow}, policy.Deny},
		{"the default, which allows", settings.Settings{Default: policy.Allow, StartPosture: settings.PostureDefault}, policy.Allow},
		{"the default, which denies", settings.Settings{Default: policy.Deny, StartPosture: settings.PostureDefault}, policy.Deny},
		{"on trial nothing is dropped", settings.Settings{Default: policy.Deny, Mode: convert.ModeAudit}, policy.Allow},
	}
	for _, tt := range tests {
		t.Run(tt.sentence, func(t *testing.T) {
			if got := postureUnder(tt.settings); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// D9: interfaces are shut before there is any policy, and follow the settings.
func TestShutBeforeAnyPolicy(t *testing.T) {
	m := newMemory()
	inBubble(t, m, func(t *testing.T, b *bench) {
		all := []datapath.Interface{{Name: "veth1", Index: 7}}
		b.node.guard(all, []netip.Addr{other})
		synctest.Wait()
		if !slices.Equal(m.shut, all) || m.posture.Verdict != policy.Deny || !slices.Equal(m.posture.Node, []netip.Addr{other}) {
			t.Errorf("got %v under %+v, want %v denied but for the node", m.shut, m.posture, all)
		}
		d := draftOf()
		d.posture = policy.Allow
		b.update(d)
		if m.posture.Verdict != policy.Allow || !slices.Equal(m.shut, all) {
			t.Errorf("under the settings: got %v under %+v, want the same ones, allowed", m.shut, m.posture)
		}
	})
}

// D9: a folder tells each pod's interface; nobody else's are touched.
func TestNothingIsShutUnlessTold(t *testing.T) {
	m := newMemory()
	inBubble(t, m, func(t *testing.T, b *bench) {
		d := draftOf()
		d.posture = policy.Allow
		b.update(d)
		if slices.Contains(m.events, "shut") || slices.Contains(m.events, "guard") {
			t.Errorf("events: got %v, want nothing shut", m.events)
		}
	})
}

// D10: what the kernel refuses is tried again.
func TestRefusedShutIsTriedAgain(t *testing.T) {
	m := newMemory()
	inBubble(t, m, func(t *testing.T, b *bench) {
		busy := &datapath.UpdateError{Table: "slots", Err: errors.New("busy")}
		m.failures["shut"] = []error{busy, busy}
		b.node.guard([]datapath.Interface{{Name: "veth1", Index: 7}}, nil)
		synctest.Wait()
		if len(missing(b.node, nil)) != 2 {
			t.Errorf("readiness: got %q, want the interfaces beside the policy", missing(b.node, nil))
		}
		b.pass(time.Second)
		if len(m.shut) != 1 || b.node.ajar.Load() != nil {
			t.Errorf("after a while: got %v and %v, want it shut", m.shut, b.node.ajar.Load())
		}
	})
}

// N3, D9: where many pods start at once, answers of others do not wait until the
// kernel is done with all of their interfaces. Real time: who has waited for a lock
// for a millisecond is the next to have it.
func TestAnswersDoNotWaitForAllThatIsShut(t *testing.T) {
	m := newMemory()
	n := newNode(m, datapath.Now, slog.New(slog.DiscardHandler), newMeters(prometheus.NewPedanticRegistry(), build{}))
	n.accept(newUpdate(nil, draftOf(named([]string{"*.example.com"}, 443))))
	var all []datapath.Interface
	for i := range 50 {
		all = append(all, datapath.Interface{Name: fmt.Sprint("veth", i), Index: i + 1})
	}
	learned := make(chan bool)
	m.during = func() {
		if len(m.shut) == 0 {
			go func() {
				_, known := n.deliver(t.Context(), dns.Learned{Client: podAddr, Name: "www.example.com", Addresses: []dns.Address{{IP: other, TTL: time.Minute}}})
				learned <- known
			}()
		}
		time.Sleep(2 * time.Millisecond)
	}
	n.guard(all, nil)
	n.shut(t.Context())
	if !<-learned {
		t.Fatal("the answer was not taken")
	}
	if grant, last := slices.Index(m.events, "grant"), len(m.events)-1; grant == last {
		t.Errorf("got the answer after all %d interfaces, want it between two of them", len(m.shut))
	}
	if len(m.shut) != len(all) {
		t.Errorf("got %d interfaces shut, want all %d", len(m.shut), len(all))
	}
}
