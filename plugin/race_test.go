//go:build race

package nameward

// raceDetector drops things from pools at random, so that nothing can be said
// about allocations.
func init() { raceDetector = true }
