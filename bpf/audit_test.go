package bpf

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/cilium/ebpf/ringbuf"
)

// TestAudit lets pass what only policies on trial deny, counted and reported
// (P23).
func TestAudit(t *testing.T) {
	const trial = 0x7001
	strict := stance(policyIn, trial, [2]uint8{1, 1}, false)
	for _, c := range []struct {
		name     string
		enforced KernelStance
		rules    row // of the policy in force, for every peer
		on       row // of that on trial
		want     KernelReason
		would    KernelReason // REASON_UNKNOWN for none
	}{
		{"a denial on trial passes", stance(policyIn, policyEg, [2]uint8{}, true), nothing, nothing,
			KernelReasonPASS_DEFAULT, KernelReasonDROP_NETWORK_POLICY},
		{"an Admin Deny on trial passes", stance(policyIn, policyEg, [2]uint8{1, 1}, false), allows(0), adminSays(deny(2)),
			KernelReasonPASS_NETWORK_POLICY, KernelReasonDROP_ADMIN},
		{"an Admin Deny in force drops", stance(policyIn, policyEg, [2]uint8{}, true), adminSays(deny(1)), adminSays(accept(1)),
			KernelReasonDROP_ADMIN, KernelReasonREASON_UNKNOWN},
		{"what both allow is not told of", stance(policyIn, policyEg, [2]uint8{}, true), nothing, allows(3),
			KernelReasonPASS_DEFAULT, KernelReasonREASON_UNKNOWN},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := load(t)
			pod := KernelEndpoint{Stances: [2]KernelStance{c.enforced, strict}, Audited: 1}
			k.change(pod)
			k.scene()
			k.row(policyEg, 0, webPort, c.rules)
			k.row(trial, 0, webPort, c.on)
			k.expect(out, between(out, far4, tcp, 443), c.want)
			k.expectAudit(out, c.would)
			if !c.want.Passes() {
				return
			}
			// Its other packets are no news; a change of policy is.
			k.expect(out, packetOf(true, far4, tcp, 40000, 443, ack), KernelReasonPASS_ESTABLISHED)
			k.expectAudit(out, KernelReasonREASON_UNKNOWN)
			k.change(pod)
			k.expect(in, answer(out, far4, tcp, 443), KernelReasonPASS_REPLY)
			k.expectAudit(out, c.would)
		})
	}
}

// expectAudit wants one report of what would have been dropped, and one count,
// or neither.
func (k *kernel) expectAudit(d KernelDirection, want KernelReason) {
	k.tb.Helper()
	counts := k.counts(audited, d)
	for r := range counts {
		if got, want := counts[r]-k.audited[d-1][r], KernelReason(r) == want && want != 0; (got == 1) != want || got > 1 {
			k.tb.Errorf("would-be %v: got %d packets counted, want %v", KernelReason(r), got, want)
		}
	}
	k.audited[d-1] = counts
	reader, err := ringbuf.NewReader(k.Denials)
	must(k.tb, err)
	defer reader.Close()
	for reader.AvailableBytes() > 0 {
		record, err := reader.Read()
		must(k.tb, err)
		var denial KernelDenial
		must(k.tb, binary.Read(bytes.NewReader(record.RawSample), binary.NativeEndian, &denial))
		if denial.Audit == 0 {
			continue
		}
		if KernelReason(denial.Reason) != want {
			k.tb.Errorf("report on trial: got %v, want %v", KernelReason(denial.Reason), want)
		}
		if KernelDirection(denial.Direction) != d || denial.Peer != address(far4) {
			k.tb.Errorf("report on trial: got direction %d and peer %v, want %d and %s", denial.Direction, denial.Peer.Byte, d, far4)
		}
		want = KernelReasonREASON_UNKNOWN
	}
	if want != KernelReasonREASON_UNKNOWN {
		k.tb.Errorf("report on trial: got none, want %v", want)
	}
}
