package dns

import (
	"math/rand/v2"
	"time"
)

const (
	firstDelay = 50 * time.Millisecond
	lastDelay  = 2 * time.Second
)

// delay is how long to wait before the given attempt, 0 being the first one
// after a loss. Half of it is random, so that the enforcers of a cluster do
// not come back in step when a replica returns.
func delay(attempt int) time.Duration {
	d := lastDelay
	if attempt < 6 {
		d = min(firstDelay<<attempt, lastDelay)
	}
	return d/2 + rand.N(d/2)
}
