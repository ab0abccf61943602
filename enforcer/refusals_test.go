package main

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
)

// N10, N15, S1: each refused address is counted, and logged with the name and
// the pod; an answer of thousands of addresses hides none that is guarded.
func TestRefusalsAreToldWithTheName(t *testing.T) {
	inBubble(t, newMemory(), func(t *testing.T, b *bench) {
		var lines bytes.Buffer
		b.node.log = slog.New(slog.NewTextHandler(&lines, nil))
		b.update(draftOf(named([]string{"example.com", "*.example.net"}, 443)))
		var many []netip.Addr
		addr := netip.MustParseAddr("45.0.0.0")
		for range 4000 {
			addr = addr.Next()
			many = append(many, addr)
		}
		b.learn(1, "cdn.example.net", many...)
		b.learn(2, "example.com", netip.MustParseAddr("169.254.169.254"))
		if want := `msg="learnt address refused" pod=app/client name=example.com reason="169.254.169.254`; !strings.Contains(lines.String(), want) {
			t.Errorf("after a flood of 3,000: got no line with %s in\n%s", want, lines.String())
		}
		for reason, want := range map[string]float64{"metadata": 1, "name_limit": 3000} {
			var m dto.Metric
			if err := b.node.meters.refused.WithLabelValues(reason).Write(&m); err != nil || m.GetCounter().GetValue() != want {
				t.Errorf("counted as %s: got %v and %v, want %v", reason, m.GetCounter(), err, want)
			}
		}
		if got := strings.Count(lines.String(), "\n"); got > maxLines+2*ownKinds {
			t.Errorf("the flood cost %d lines, want at most %d", got, maxLines+2*ownKinds)
		}
	})
}
