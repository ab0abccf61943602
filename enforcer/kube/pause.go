package kube

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is the pause after so many attempts. All enforcers of a cluster lose
// their server at once, and are spread by chance when they come back.
func backoff(attempts int) time.Duration {
	return jittered(min(shortPause<<min(attempts, 10), longPause))
}

// jittered takes up to half away by chance.
func jittered(d time.Duration) time.Duration { return d/2 + rand.N(d/2) }

// absence is the pause between two looks for a kind that the cluster lacks:
// 3 s, and in large clusters so much longer that all nodes together do not ask
// a few hundred times a second.
func absence(nodes int) time.Duration {
	return 3*time.Second + time.Duration(nodes)*5*time.Millisecond
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
