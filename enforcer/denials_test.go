package main

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/policy"
)

// S1: a line names the pod, the peer, the reason and, for names, what became
// of what the pod had learnt. What repeats is summed up.
func TestDenialLines(t *testing.T) {
	inBubble(t, newMemory(), func(t *testing.T, b *bench) {
		b.update(draftOf(named([]string{"example.com"}, 443)))
		b.learn(1, "example.com", web)
		b.pass(90*time.Second + 42*time.Second)

		var lines bytes.Buffer
		l := newDenialLog(b.node, slog.New(slog.NewTextHandler(&lines, nil)))
		denial := datapath.Denial{
			Endpoint: podID, Direction: policy.Egress, Protocol: tcp,
			Pod: netip.AddrPortFrom(podAddr, 40000), Peer: netip.AddrPortFrom(web, 443),
		}
		for port := range uint16(3) {
			denial.Pod = netip.AddrPortFrom(podAddr, 40000+port)
			l.note(t.Context(), denial)
		}
		if got := strings.Count(lines.String(), "\n"); got != 1 {
			t.Errorf("lines at once: got %d, want 1:\n%s", got, lines.String())
		}
		for _, want := range []string{
			"level=WARN msg=denied pod=app/client direction=egress", `peer="198.51.100.10:443 (TCP)"`,
			"expired 42 s ago for example.com", "count=1",
		} {
			if !strings.Contains(lines.String(), want) {
				t.Errorf("got %swant %s in it", lines.String(), want)
			}
		}
		lines.Reset()
		l.flush(t.Context())
		if !strings.Contains(lines.String(), "count=2") {
			t.Errorf("summed up: got %q, want count=2", lines.String())
		}
	})
}

func TestPeerText(t *testing.T) {
	v6 := netip.MustParseAddr("2001:db8::1")
	tests := []struct {
		sentence string
		kind     denialKind
		want     string
	}{
		{"TCP", denialKind{address: web, port: 443, protocol: 6}, "198.51.100.10:443 (TCP)"},
		{"UDP over IPv6", denialKind{address: v6, port: 53, protocol: 17}, "[2001:db8::1]:53 (UDP)"},
		{"SCTP", denialKind{address: web, port: 1, protocol: 132}, "198.51.100.10:1 (SCTP)"},
		{"ICMP has no port", denialKind{address: v6, protocol: 58}, "2001:db8::1 (ICMP)"},
		{"another protocol", denialKind{address: web, protocol: 47}, "198.51.100.10 (protocol 47)"},
		{"a packet that was not read", denialKind{protocol: 6}, "unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.sentence, func(t *testing.T) {
			if got := peerText(tt.kind); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestKindOfIngressHasThePodsPort(t *testing.T) {
	d := datapath.Denial{Direction: policy.Ingress, Pod: netip.AddrPortFrom(podAddr, 80), Peer: netip.AddrPortFrom(web, 40000)}
	if got := kindOf(d).port; got != 80 {
		t.Errorf("got port %d, want the one that is knocked at, 80", got)
	}
}

// The rule that denied is named, and where no rule did, who isolates the pod.
func TestRuleAttrs(t *testing.T) {
	compiled := draftOf(named([]string{"example.com"})).compiled
	refs := compiled.IsolatedBy(podID, policy.Egress)
	if len(refs) != 1 || !strings.Contains(refs[0].String(), "app/names") {
		t.Fatalf("isolated by: got %v, want the policy of the fixture", refs)
	}
	if got := ruleAttrs(compiled, denialKind{endpoint: podID, direction: policy.Egress, list: 1, hasRule: true}); got != nil {
		t.Errorf("a list that is no more: got %v, want nothing said", got)
	}
}

// S1, D9: nobody has told whose packet it was, before and after there is a
// policy; the line says what is known.
func TestDenialOfAnUnknownPod(t *testing.T) {
	inBubble(t, newMemory(), func(t *testing.T, b *bench) {
		var lines bytes.Buffer
		l := newDenialLog(b.node, slog.New(slog.NewTextHandler(&lines, nil)))
		for port := range uint16(2) {
			l.note(t.Context(), datapath.Denial{
				Endpoint: datapath.UnknownPod, Direction: policy.Egress, Protocol: tcp,
				Pod: netip.AddrPortFrom(podAddr, 40000), Peer: netip.AddrPortFrom(web, 443+port),
			})
			b.update(draftOf(named([]string{"example.com"}, 443)))
		}
		if got := strings.Count(lines.String(), `pod="unknown, with address `+podAddr.String()+`"`); got != 2 {
			t.Errorf("got %swant both lines to tell the address", lines.String())
		}
	})
}
