package datapath

import (
	"errors"
	"path/filepath"
	"testing"
)

// D9: interfaces that are shut while no enforcer runs stay so one after the other,
// what they drop is counted, and the next enforcer has them in its hands.
func TestShutAway(t *testing.T) {
	hooks(t, func(t *testing.T, hook Hook) {
		f := newFixture(t)
		cfg := Config{Hook: hook, Pin: filepath.Join(f.bpf, "nameward")}
		f.connects(true)
		client, server := f.client.on(t), f.server.on(t)
		must(t, ShutAway(t.Context(), cfg, client, Posture{}))
		f.connects(false)
		must(t, ShutAway(t.Context(), cfg, server, Posture{}))
		f.connects(false)
		d := f.open(cfg)
		defer d.Close()
		for _, on := range []Interface{client, server} {
			if !d.IsShut(on.Index) {
				t.Errorf("%v: got it open, want it shut", on)
			}
		}
		if err := ShutAway(t.Context(), cfg, client, Posture{}); !errors.Is(err, ErrInUse) {
			t.Errorf("under an enforcer: got %v, want %v", err, ErrInUse)
		}
		f.connects(false)
		if packets(t, d, "unknown-pod") == 0 {
			t.Error("got no packet counted for its reason")
		}
		must(t, d.Shut(nil, Posture{}))
		f.connects(true)
	})
}
