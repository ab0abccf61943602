package report

import (
	"math"
	"time"
)

// bucket is a token bucket over a clock that is passed in. The zero value is
// full at its first use.
type bucket struct {
	tokens float64
	at     time.Time
}

// take takes a token if there is one, and else says how long one takes to come.
// rate is in tokens a second, above 0; size is the most that can be saved.
func (b *bucket) take(now time.Time, rate, size float64) (ok bool, wait time.Duration) {
	b.fill(now, rate, size)
	if b.tokens >= 1 {
		b.tokens--
		return true, 0
	}
	return false, b.wait(rate)
}

// wait is how long a token takes to come, at least 1 ns, or 0 if there is one.
func (b *bucket) wait(rate float64) time.Duration {
	if b.tokens >= 1 {
		return 0
	}
	return time.Duration(math.Ceil((1-b.tokens)/rate*float64(time.Second))) + 1
}

// full says that taking nothing for a while has made b as good as new.
func (b *bucket) full(now time.Time, rate, size float64) bool {
	b.fill(now, rate, size)
	return b.tokens >= size
}

func (b *bucket) fill(now time.Time, rate, size float64) {
	if b.at.IsZero() {
		b.tokens = size
	} else if passed := now.Sub(b.at); passed > 0 {
		b.tokens = min(size, b.tokens+passed.Seconds()*rate)
	}
	b.at = now
}
