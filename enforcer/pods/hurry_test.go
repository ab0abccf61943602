package pods

import (
	"context"
	"testing"
	"time"
)

// D9: a pod that the chain tells of waits for no rest; whatever else there is
// waits for the end of it.
func TestToldCutsARestShort(t *testing.T) {
	s := newScene(t)
	f := New(s.config)
	whole := s.config.whole()
	found := must(beginSearch(&whole, &memory{told: must(openAttachments("", whole.Log))}))
	t.Cleanup(found.close)
	rested := func(limit time.Duration) bool {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		never := time.NewTimer(time.Hour)
		if err, over := f.await(ctx, found, never, time.Now().Add(time.Hour)); err != nil || over {
			t.Fatalf("got %v, over %v, want a reason to look", err, over)
		}
		return ctx.Err() == nil
	}
	f.Want(nil)
	if rested(50 * time.Millisecond) {
		t.Error("other pods are wanted: got a look before the rest was over")
	}
	f.Told(Attachment{UID: "a", Interface: "veth1", IfIndex: 7})
	if !rested(time.Minute) {
		t.Error("a pod is told: got no look before the rest was over")
	}
}
