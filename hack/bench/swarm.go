package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// swarmCommand starts the program as the enforcers of many nodes, a process of
// its own, so that what they cost is not taken for CoreDNS's or the asker's.
// It reads words from its input, one a line, and answers each with a line.
const swarmCommand = "swarm"

// The words of a swarm.
const (
	// swarmChange gives every pod other patterns. The answer is a
	// swarmReport, once every session has been told the canary.
	swarmChange = "change"
	// swarmEnd ends it, as the end of its input does.
	swarmEnd = "end"
)

// swarm is many enforcers of one process.
type swarm struct {
	target string
	nodes  int
	pods   int
	drones []*drone
}

// runSwarm returns the exit status.
func runSwarm(args []string, in io.Reader, out, stderr io.Writer) int {
	flags := flag.NewFlagSet(swarmCommand, flag.ContinueOnError)
	flags.SetOutput(stderr)
	w := new(swarm)
	flags.StringVar(&w.target, "target", "", "`address` of CoreDNS's stream")
	flags.IntVar(&w.nodes, "nodes", 0, "how many enforcers")
	flags.IntVar(&w.pods, "pods", 0, "how many pods each")
	saved := flags.String("authority", "", "`folder` of the authority that signs for nodes")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if err := w.run(*saved, in, out); err != nil {
		fmt.Fprintln(stderr, "swarm:", err)
		return 1
	}
	return 0
}

func (w *swarm) run(saved string, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	a, err := loadAuthority(saved)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := w.connect(ctx, a); err != nil {
		return err
	}
	fmt.Fprintf(out, "connected %d\n", time.Since(began).Microseconds())
	for words := bufio.NewScanner(in); words.Scan(); {
		switch words.Text() {
		case swarmChange:
			fmt.Fprintln(out, w.change(ctx))
		case swarmEnd:
			return nil
		}
	}
	return nil
}

// dialling is how many sessions are opened at a time: TLS handshakes have a
// deadline, and all at once would run into it on a small machine.
const dialling = 64

// connect opens all sessions and subscribes all pods.
func (w *swarm) connect(ctx context.Context, a authority) error {
	w.drones = make([]*drone, w.nodes)
	return w.all(dialling, func(n int) error {
		config, err := a.node(nodeName(n))
		if err != nil {
			return err
		}
		w.drones[n], err = newDrone(ctx, w.target, n, w.pods, config)
		return err
	})
}

// change gives every pod of every node other patterns at once, and waits until
// each session was told the name that only the new ones match, or cannot be
// expected to be: time is up, or it has ended.
func (w *swarm) change(ctx context.Context) swarmReport {
	ctx, cancel := context.WithTimeout(ctx, absorbedWithin)
	defer cancel()
	r := swarmReport{began: time.Now(), took: make([]time.Duration, w.nodes)}
	var late atomic.Int64
	var why sync.Once
	_ = w.all(w.nodes, func(n int) error {
		if err := w.drones[n].change(ctx); err != nil {
			late.Add(1)
			why.Do(func() { r.why = fmt.Sprintf("node %d: %v", n, err) })
		}
		r.took[n] = time.Since(r.began)
		return nil
	})
	r.late = int(late.Load())
	return r
}

// absorbedWithin bounds the wait for what should take seconds.
const absorbedWithin = 20 * time.Second

// all does it for every node, so many at a time, and returns the first error.
func (w *swarm) all(atOnce int, do func(n int) error) error {
	turns, failed := make(chan struct{}, atOnce), make(chan error, w.nodes)
	var waiting sync.WaitGroup
	for n := range w.nodes {
		turns <- struct{}{}
		waiting.Go(func() {
			defer func() { <-turns }()
			if err := do(n); err != nil {
				failed <- fmt.Errorf("node %d: %w", n, err)
			}
		})
		if len(failed) > 0 {
			break
		}
	}
	waiting.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// swarmReport is when a change began, how long it took for each session, and
// how many of them had to be given up.
type swarmReport struct {
	began time.Time
	took  []time.Duration
	late  int
	why   string // of the first of them
}

// String is the line that parseReport reads.
func (r swarmReport) String() string {
	sample := make([]float64, len(r.took))
	for i, took := range r.took {
		sample[i] = float64(took.Microseconds())
	}
	return fmt.Sprintf("absorbed %d %.0f %.0f %d %q", r.began.UnixNano(), median(sample), quantile(sample, 1), r.late, r.why)
}

// absorbed is a report as the other process has it.
type absorbed struct {
	began        time.Time
	median, last time.Duration
	late         int // sessions
	why          string
}

func parseReport(line string) (a absorbed, err error) {
	var nanoseconds, middle, last int64
	if _, err := fmt.Sscanf(line, "absorbed %d %d %d %d %q", &nanoseconds, &middle, &last, &a.late, &a.why); err != nil {
		return a, fmt.Errorf("read the swarm's report %q: %w", line, err)
	}
	a.began, a.median, a.last = time.Unix(0, nanoseconds), time.Duration(middle)*time.Microsecond, time.Duration(last)*time.Microsecond
	return a, nil
}

// swarmProcess is a swarm seen from the process that started it.
type swarmProcess struct {
	words   io.WriteCloser
	answers *bufio.Scanner
	stop    func()
	pid     int
	log     string
}

// ask says a word and returns the answer.
func (p *swarmProcess) ask(word string) (string, error) {
	if _, err := fmt.Fprintln(p.words, word); err != nil {
		return "", fmt.Errorf("tell the swarm: %w", err)
	}
	return p.answer()
}

func (p *swarmProcess) answer() (string, error) {
	if !p.answers.Scan() {
		text, _ := os.ReadFile(p.log)
		return "", fmt.Errorf("the swarm has ended: %s", text)
	}
	return p.answers.Text(), nil
}
