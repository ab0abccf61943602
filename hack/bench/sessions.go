package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	swarmNodes, swarmPods = 5000, 30
	// restTime is longer than the time between two keepalives.
	restTime = 12 * time.Second
	// backgroundRate is what clients ask meanwhile, in questions per second.
	backgroundRate = 1000
)

// sessions measures one CoreDNS with the enforcers of a large cluster: what it
// takes at rest, and how long until a change of every policy is in force.
func sessions(ctx context.Context, t *table, s *stage) error {
	nodes, err := raiseFiles(swarmNodes)
	if err != nil {
		return err
	}
	folder, err := s.room("sessions")
	if err != nil {
		return err
	}
	a, err := newAuthority()
	if err != nil {
		return err
	}
	id, err := a.server(folder)
	if err = errors.Join(err, a.save(folder)); err != nil {
		return err
	}
	zoneFile, _, err := writeZone(folder, fewNames)
	if err != nil {
		return err
	}
	v, err := s.serve(ctx, folder, "", 5301, zoneFile, directive("listen tcp://"+swarmTarget, strings.Join([]string{"tls", id.Cert, id.Key, id.CA}, " ")))
	if err != nil {
		return err
	}
	defer v.stop()
	c := &cluster{server: v, nodes: nodes}
	if err := c.measure(ctx, t, s, folder); err != nil {
		text, _ := os.ReadFile(v.log)
		return fmt.Errorf("%w\n%s", err, tail(string(text)))
	}
	return nil
}

const swarmTarget = "127.0.0.1:7353"

// raiseFiles lets this process and its children open a file for each session,
// and returns how many sessions that is enough for.
func raiseFiles(sessions int) (int, error) {
	const others = 500
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("read the limit of open files: %w", err)
	}
	want := unix.Rlimit{Cur: uint64(sessions + others), Max: max(limit.Max, uint64(sessions+others))}
	if want.Cur <= limit.Cur {
		return sessions, nil
	}
	if unix.Setrlimit(unix.RLIMIT_NOFILE, &want) == nil {
		return sessions, nil
	}
	want = unix.Rlimit{Cur: limit.Max, Max: limit.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &want); err != nil {
		return 0, fmt.Errorf("raise the limit of open files: %w", err)
	}
	if limit.Max <= others {
		return 0, fmt.Errorf("at most %d files may be open, want %d", limit.Max, sessions+others)
	}
	return min(sessions, int(limit.Max)-others), nil
}

// cluster is a CoreDNS and those that are connected to it.
type cluster struct {
	*server
	nodes int
	swarm *swarmProcess

	alone, resting, afterwards usage
	connected                  time.Duration
	idle                       time.Duration // CPU time in restTime
	change                     absorbed
	changing, swarming         time.Duration // CPU time of CoreDNS and of the others
	quiet, busy                beats
}

func (c *cluster) measure(ctx context.Context, t *table, s *stage, folder string) (err error) {
	if c.alone, err = c.usage(); err != nil {
		return err
	}
	t.progress("sessions: connecting %d enforcers", c.nodes)
	if c.swarm, err = startSwarm(ctx, s, folder, c.nodes); err != nil {
		return err
	}
	defer c.swarm.stop()
	if c.connected, err = c.swarm.awaitConnected(); err != nil {
		return err
	}
	if err := c.awaitMetric(ctx, watchedMetric, float64(c.nodes*swarmPods)); err != nil {
		return err
	}
	if err := c.rest(ctx, t); err != nil {
		return err
	}
	c.reportRest(t)
	if err := s.node.Do(func() error { return c.askForCanaries(ctx) }); err != nil {
		return err
	}
	if err := c.changeAll(ctx, t, s); err != nil {
		return err
	}
	c.reportChange(t)
	return nil
}

// startSwarm starts this program once more.
func startSwarm(ctx context.Context, s *stage, folder string, nodes int) (*swarmProcess, error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := command(ctx, "/proc/self/exe", swarmCommand, "-target", swarmTarget, "-authority", folder,
		"-nodes", strconv.Itoa(nodes), "-pods", strconv.Itoa(swarmPods))
	p := &swarmProcess{log: filepath.Join(folder, "swarm.log"), stop: func() { cancel(); _ = cmd.Wait() }}
	log, err := os.Create(p.log)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("create log: %w", err)
	}
	defer log.Close()
	cmd.Stderr = log
	in, err := cmd.StdinPipe()
	if err == nil {
		out, failed := cmd.StdoutPipe()
		p.words, p.answers, err = in, bufio.NewScanner(out), failed
	}
	if err == nil {
		err = s.node.Start(cmd)
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("start the swarm: %w", err)
	}
	p.pid = cmd.Process.Pid
	return p, nil
}

func (p *swarmProcess) awaitConnected() (time.Duration, error) {
	line, err := p.answer()
	if err != nil {
		return 0, err
	}
	var microseconds int64
	if _, err := fmt.Sscanf(line, "connected %d", &microseconds); err != nil {
		return 0, fmt.Errorf("read the swarm's %q: %w", line, err)
	}
	return time.Duration(microseconds) * time.Microsecond, nil
}

// rest leaves everything alone for a while.
func (c *cluster) rest(ctx context.Context, t *table) error {
	t.progress("sessions: %s at rest", restTime)
	before, err := c.usage()
	if err != nil {
		return err
	}
	if !pause(ctx, restTime) {
		return ctx.Err()
	}
	if c.resting, err = c.usage(); err != nil {
		return err
	}
	c.idle = c.resting.cpu - before.cpu
	return nil
}

// askForCanaries asks from one pod of every node, so that the journal has an
// answer for it, that no pattern wants yet. It runs in the node's namespace.
func (c *cluster) askForCanaries(ctx context.Context) error {
	for n := range c.nodes {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := askFrom(podAddress(n, swarmPods, swarmPods-1), c.at, canary); err != nil {
			return err
		}
	}
	return nil
}

// changeAll changes all policies while a client asks, who has been asking in
// peace before.
func (c *cluster) changeAll(ctx context.Context, t *table, s *stage) error {
	t.progress("sessions: every pod of %d nodes gets other patterns", c.nodes)
	m, err := newMetronome(c.at, backgroundRate, s.node)
	if err != nil {
		return err
	}
	defer m.close()
	name := func(i int) string { return zoneName(i % fewNames) }
	if c.quiet, err = m.run(ctx, 2*backgroundRate, name); err != nil {
		return err
	}
	before, err := c.usage()
	if err != nil {
		return err
	}
	others, err := usageOf(c.swarm.pid)
	if err != nil {
		return err
	}
	asking, stop := context.WithCancel(ctx)
	defer stop()
	asked := make(chan error, 1)
	go func() {
		busy, err := m.run(asking, int(absorbedWithin/time.Second)*backgroundRate, name)
		if asking.Err() != nil && ctx.Err() == nil {
			err = nil
		}
		c.busy = busy
		asked <- err
	}()
	line, err := c.swarm.ask(swarmChange)
	if err == nil {
		c.change, err = parseReport(line)
	}
	stop()
	if err := errors.Join(err, <-asked); err != nil {
		return err
	}
	if c.afterwards, err = c.usage(); err != nil {
		return err
	}
	theirs, err := usageOf(c.swarm.pid)
	c.changing, c.swarming = c.afterwards.cpu-before.cpu, theirs.cpu-others.cpu
	return err
}

func (c *cluster) reportRest(t *table) {
	says := fmt.Sprintf("A large cluster on one CoreDNS: %s enforcers, %d pods each", grouped(float64(c.nodes)), swarmPods)
	if c.nodes < swarmNodes {
		says += fmt.Sprintf(" (more files cannot be opened here; %s were asked for)", grouped(swarmNodes))
	}
	t.section(says, fmt.Sprintf("simulated, one process, TLS over loopback, a certificate each; %d policies of %d names and %d wildcards; %d CPUs for all of it; the enforcers connected in %s",
		podPolicies, podNames, podWildcards, runtime.NumCPU(), threeDigits(c.connected)))
	t.figure(figure{name: "memory at rest", value: c.resting.resident / 1e6, unit: megabytes, goal: atMost(300),
		beside: fmt.Sprintf("peak %s, without enforcers %s", megabytes.write(c.resting.peak/1e6), megabytes.write(c.alone.resident/1e6))})
	t.figure(figure{name: "  for each session", value: (c.resting.resident - c.alone.resident) / 1e3 / float64(c.nodes), unit: kilobytesUnit})
	t.figure(figure{name: "CPU time at rest", value: c.idle.Seconds() / restTime.Seconds(), unit: share, beside: "of a core; keepalives"})
}

func (c *cluster) reportChange(t *table) {
	took, left := float64(c.change.last), ""
	if c.change.late > 0 {
		took, left = math.Inf(1), fmt.Sprintf("%d sessions have it not after %s, or have ended (%s); ", c.change.late, absorbedWithin, c.change.why)
	}
	t.figure(figure{name: "a change of every policy, until the last session has it", value: took, unit: elapsed, goal: atMost(5e9),
		beside: left + fmt.Sprintf("half of them in %s; %s of CPU time, and %s of the enforcers'; each knows by the answer that its new patterns replay",
			threeDigits(c.change.median), threeDigits(c.changing), threeDigits(c.swarming))})
	t.figure(figure{name: "  memory after it", value: c.afterwards.resident / 1e6, unit: megabytes, beside: "peak " + megabytes.write(c.afterwards.peak/1e6)})
	t.figure(figure{name: fmt.Sprintf("  answers at %s a second before it, p99", grouped(backgroundRate)), value: quantile(c.quiet.took, 0.99), unit: microseconds,
		beside: fmt.Sprintf("%d of %d lost", c.quiet.lost(), len(c.quiet.took))})
	during := c.busy.between(c.change.began, c.change.began.Add(c.change.last))
	t.figure(figure{name: "  during it, p99", value: quantile(during, 0.99), unit: microseconds,
		beside: fmt.Sprintf("p50 %s; %d of %d lost; questions were %s late at p99", microseconds.write(median(during)), infinite(during), len(during),
			microseconds.write(quantile(c.busy.late[:min(len(during), len(c.busy.late))], 0.99)))})
}

// tail is the end of a log.
func tail(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}
