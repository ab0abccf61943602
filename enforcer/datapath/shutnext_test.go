package datapath

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/nameward/nameward/enforcer/policy"
)

// D9: interfaces are shut side by side, all of them for what comes out of pods
// first; a policy that comes in between, or new programs, make no difference.
func TestShutSideBySide(t *testing.T) {
	for _, between := range []string{"nothing", "the pod", "new programs"} {
		t.Run(between+" in between", func(t *testing.T) {
			hooks(t, func(t *testing.T, hook Hook) {
				p := newPlay(t, hook, true)
				on := []Interface{p.client.on(t), p.pods["server"].on(t)}
				must(t, p.d.Shut(nil, Posture{}))
				p.turn(world(nil))
				must(t, p.d.Guard(on, Posture{}))
				for range on {
					more, err := p.d.ShutNext()
					if must(t, err); !more {
						t.Fatal("got no more to do, want the other sides")
					}
				}
				for _, i := range on {
					if f := p.d.shut[i.Index]; len(f.attachments) != 1 || f.attachments[outOfPod] == nil {
						t.Fatalf("%s: got %v, want the side of what comes out of the pod", i, f.attachments)
					}
				}
				p.connects(false)
				switch between {
				case "the pod":
					p.turn(world([]*scenePod{p.client}, isolating(policy.Egress)))
				case "new programs":
					p.d.unfinished = &policy.Tables{}
					p.turn(world(nil))
				}
				for more := true; more; {
					var err error
					more, err = p.d.ShutNext()
					must(t, err)
				}
				p.connects(false)
				open := p.d.unguarded()
				if attached := len(p.d.Attached()); len(open) > 0 || len(p.d.fresh) > 0 || len(p.d.shut)+attached != 2 {
					t.Errorf("got open %v, to be shut %v, shut %v, %d pods; want both interfaces shut or a pod's", open, p.d.fresh, p.d.shut, attached)
				}
			})
		})
	}
}

// D10: an interface that cannot be shut does not keep others open, and is shut
// with the next list.
func TestShutGoesOnAfterAnError(t *testing.T) {
	hooks(t, func(t *testing.T, hook Hook) {
		p := newPlay(t, hook, true)
		on := []Interface{p.client.on(t), p.pods["server"].on(t)}
		free := p.obstruct(on[1])
		if err := p.d.Shut(on, Posture{}); err == nil || !strings.Contains(err.Error(), fmt.Sprint("interface ", on[1].Index)) {
			t.Errorf("got %v, want the interface that cannot be shut", err)
		}
		if f := p.d.shut[on[0].Index]; f == nil || !f.complete() {
			t.Error("the other interface: got it open, want it shut")
		}
		free()
		must(t, p.d.Shut(on, Posture{}))
		if open := p.d.unguarded(); len(open) > 0 {
			t.Errorf("after the next list: got open %v, want none", open)
		}
	})
}

// D8, D9: where the first policy failed half way, the next one shuts what a
// predecessor's pod has left before it takes that pod's filter off.
func TestFilterOfAPredecessorGoesLast(t *testing.T) {
	hooks(t, func(t *testing.T, hook Hook) {
		p := newPlay(t, hook, true)
		on := []Interface{p.client.on(t)}
		p.turn(world([]*scenePod{p.client}, isolating(policy.Egress)))
		must(t, p.d.Close())
		p.d, p.now = p.open(Config{Hook: hook, Pin: p.pin}), nil
		must(t, p.d.Guard(on, Posture{}))
		free := p.obstruct(on[0])
		if err := p.d.Apply([]*policy.Tables{{}}, nil); err == nil {
			t.Fatal("got the policy in force, want it refused")
		}
		free()
		must(t, p.d.Guard(on, Posture{}))
		p.turn(world(nil))
		p.connects(false)
	})
}

// obstruct has a file where the pins of the interface belong that is shut.
func (p *play) obstruct(on Interface) (free func()) {
	p.t.Helper()
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	must(p.t, err)
	must(p.t, m.Pin(filepath.Join(p.pin, "shut", strconv.Itoa(on.Index))))
	return func() { must(p.t, errors.Join(m.Unpin(), m.Close())) }
}
