package hub

import "time"

const (
	// A session may change what it wants this often without waiting, and after
	// that this often: each change stops all other sessions' changes for a moment.
	paceBurst = 500
	paceEvery = 10 * time.Millisecond
)

// pace bounds the rate of something. The zero value is ready. It belongs to one
// goroutine, and counts real time, because it makes its owner wait.
type pace struct {
	free time.Time // when the budget is whole again
}

// wait returns when the next turn has come, or false when done is closed. Who
// waits does not read: the peer's own messages queue at the peer.
func (p *pace) wait(done <-chan struct{}) bool {
	now := time.Now()
	if p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(paceEvery)
	ahead := p.free.Sub(now) - paceBurst*paceEvery
	if ahead <= 0 {
		return true
	}
	timer := time.NewTimer(ahead)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-done:
		return false
	}
}
