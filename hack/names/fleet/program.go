package fleet

import (
	"context"
	"errors"
	"os"
	"sync"

	"github.com/nameward/nameward/hack/demo/product"
)

// Program is one of the product's, which can be killed and started again.
// Safe for any number of users.
type Program struct {
	// Name is what the logs call it.
	Name string

	launch func() (*product.Process, error)

	mu      sync.Mutex
	process *product.Process // guarded by mu
	life    int              // guarded by mu
}

// Life counts the starts and the ends so far: it is odd while the program
// runs, and the same for as long as nothing happened to it.
func (p *Program) Life() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.life
}

// Running says whether a life is one in which the program runs.
func Running(life int) bool { return life%2 == 1 }

// Start starts the program and returns at once.
func (p *Program) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	process, err := p.launch()
	if err != nil {
		return err
	}
	p.process = process
	p.life++
	return nil
}

// AwaitReady returns once the program says that it serves.
func (p *Program) AwaitReady(ctx context.Context) error { return p.now().AwaitReady(ctx) }

func (p *Program) now() *product.Process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.process
}

// Kill ends the program with SIGKILL.
func (p *Program) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.life++
	p.process.Kill()
}

// Died says whether the program has ended of itself.
func (p *Program) Died() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Running(p.life) && !p.process.Running()
}

// Signal sends the program a signal.
func (p *Program) Signal(s os.Signal) error {
	if err := p.now().Signal(s); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// stop ends the program in order.
func (p *Program) stop() {
	if process := p.now(); process != nil {
		process.Stop()
	}
}

// Tail is the end of the program's log.
func (p *Program) Tail() string {
	if process := p.now(); process != nil {
		return process.Tail()
	}
	return ""
}
