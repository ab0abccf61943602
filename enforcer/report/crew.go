package report

// writers is how many requests about conditions are on their way at most: enough
// that a distant API server does not keep a budget from being used, too few to be
// noticed among the requests of a cluster.
const writers = 8

// job is a request, on any goroutine, and gives what to make of the answer, on the
// owner's.
type job func() (land func())

// crew does jobs side by side. Its owner is one goroutine, which lands what comes
// back, so that only requests are made by others.
type crew struct {
	flying int
	landed chan func()
}

func newCrew() *crew { return &crew{landed: make(chan func(), writers)} }

func (c *crew) free() bool { return c.flying < writers }

// send wants the crew to be free.
func (c *crew) send(do job) {
	c.flying++
	go func() { c.landed <- do() }()
}

// land takes what came from landed.
func (c *crew) land(land func()) {
	c.flying--
	land()
}

// dismiss waits for requests, whose context has ended, and forgets the answers.
func (c *crew) dismiss() {
	for ; c.flying > 0; c.flying-- {
		<-c.landed
	}
}
