//go:build race

package hub

func init() { raceDetector = true }
