package dns

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/nameward/nameward/plugin/stream"
)

// handover is how long a stream outlives the Welcome of its successor: time to
// say there what is wanted.
const handover = time.Second

// soonest keeps a certificate that is about to expire from being shown in a loop.
const soonest = time.Minute

var errRenewed = errors.New("the session goes on with another stream")

// renewal fires when the session needs a new stream, because what the present
// one began with is not good for ever. A socket's never does.
func (s *session) renewal() *time.Timer {
	cfg := &s.client.cfg
	switch {
	case cfg.renewal != 0:
		return time.NewTimer(cfg.renewal)
	case s.target.Unix():
		t := time.NewTimer(0)
		t.Stop()
		return t
	}
	return time.NewTimer(cfg.Credentials.renewal(time.Now(), rand.Float64()))
}

// renewal is after a third to a half of what CoreDNS gives a token's session,
// and after a half to three quarters of the time that the certificate has left.
// The fraction, from 0 to 1, chooses, so that a cluster's nodes do not come in
// step.
func (c Credentials) renewal(now time.Time, fraction float64) time.Duration {
	after := 365 * 24 * time.Hour
	if c.Token != "" {
		after = time.Duration(float64(stream.MaxTokenSession) * (2 + fraction) / 6)
	}
	for _, e := range c.Expiries() {
		if e.File == c.Cert {
			after = min(after, max(soonest, time.Duration(float64(e.Until.Sub(now))*(2+fraction)/4)))
		}
	}
	return after
}
