package datapath

import (
	"testing"
)

// TestOddPackets: each row of the corpus by test run of the programs, under a
// policy that denies all but one port and under none (D3, D4, D5).
func TestOddPackets(t *testing.T) {
	worlds := []struct {
		name   string
		closed bool
	}{{"closed", true}, {"open", false}}
	for _, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			b := newBench(t, oddWorld(w.closed))
			for _, r := range corpus() {
				t.Run(r.sentence, func(t *testing.T) {
					b.tb = t
					b.forget()
					for i, s := range r.steps {
						want := s.want.open
						if w.closed {
							want = s.want.closed
						}
						got, _, err := b.run(s.direction, s.frame, s.super)
						if err != nil {
							t.Fatalf("frame %d: %v", i+1, err)
						}
						if got != want {
							t.Errorf("frame %d: got %q, want %q", i+1, got, want)
						}
					}
				})
			}
		})
	}
}
