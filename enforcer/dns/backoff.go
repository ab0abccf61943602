package dns

import (
	"math/rand/v2"
	"time"
)

const (
	firstDelay = 50 * time.Millisecond
	// Until an enforcer is back, a replica that has returned holds none of its
	// answers, and first packets are lost: so a second is too long, also for one
	// that was away for minutes. 5,000 enforcers then knock at a dead replica
	// 8,000 times a second, a SYN each.
	lastDelay = 800 * time.Millisecond
	// maxAttempt is one whose delay does not grow any more.
	maxAttempt = 6
)

// delay is how long to wait before the given attempt, 0 being the first one
// after a loss. Half of it is random, so that the enforcers of a cluster do
// not come back in step when a replica returns.
func delay(attempt int) time.Duration {
	d := lastDelay
	if attempt < maxAttempt {
		d = min(firstDelay<<attempt, lastDelay)
	}
	return d/2 + rand.N(d/2)
}
