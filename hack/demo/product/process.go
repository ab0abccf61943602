package product

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/nameward/nameward/hack/demo/scene"
)

// Process is one running program of the product.
type Process struct {
	name string
	log  string
	cmd  *exec.Cmd
	// ended is closed once the program has ended and left result.
	ended  chan struct{}
	result error
	web    *http.Client
	ready  string
}

// Launch runs the program inside the network namespace with its output
// appended to the log file. ready is the URL that says when it is.
func Launch(node *scene.Netspace, log, ready, path string, args ...string) (*Process, error) {
	p := &Process{name: path, log: log, ready: ready, ended: make(chan struct{}), web: webClient(node)}
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer out.Close()
	p.cmd = exec.Command(path, args...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	// A process group of its own keeps the terminal's Ctrl-C from it: the
	// demo ends it in order. If the demo itself is killed, it goes as well.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := node.Start(p.cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	go func() {
		p.result = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// AwaitReady returns once the program says that it is ready.
func (p *Process) AwaitReady(ctx context.Context) error { return p.Await(ctx, p.ready) }

// Await returns once the page says that all is well.
func (p *Process) Await(ctx context.Context, page string) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for {
		last := p.ask(ctx, page)
		if last == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended before it was ready: %v\n%s", p.name, p.result, p.Tail())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w\n%s", p.name, last, p.Tail())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (p *Process) ask(ctx context.Context, page string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return err
	}
	response, err := p.web.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 1024))
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s says %s: %s", page, response.Status, strings.TrimSpace(string(text)))
	}
	return nil
}

// Counters reads an enforcer's verdict counters from its page of metrics.
func (p *Process) Counters(ctx context.Context, page string) (c Counters, err error) {
	err = p.read(ctx, page, func(text io.Reader) error {
		c, err = ParseCounters(text)
		return err
	})
	return c, err
}

// Sum reads the sum of a metric over all its labels.
func (p *Process) Sum(ctx context.Context, page, metric string) (sum float64, err error) {
	err = p.read(ctx, page, func(text io.Reader) error {
		sum, err = ParseSum(text, metric)
		return err
	})
	return sum, err
}

func (p *Process) read(ctx context.Context, page string, parse func(io.Reader) error) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return err
	}
	response, err := p.web.Do(request)
	if err != nil {
		return fmt.Errorf("read metrics: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("read metrics: %s says %s", page, response.Status)
	}
	return parse(response.Body)
}

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends the program a signal.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Running says whether the program has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Kill ends the program the hard way (SIGKILL) and waits until it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// Stop asks the program to end and kills it if it takes longer than 3 seconds.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(3 * time.Second):
		p.Kill()
	}
}

// tailLines is how much of a log is shown when something went wrong.
const tailLines = 15

// Tail returns the last lines of the program's log.
func (p *Process) Tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	return fmt.Sprintf("--- last lines of %s\n%s", p.log, strings.Join(lines, "\n"))
}

// webClient asks from inside the network namespace, on one connection a time.
func webClient(n *scene.Netspace) *http.Client {
	dial := func(ctx context.Context, network, address string) (c net.Conn, err error) {
		err = n.Do(func() error {
			c, err = new(net.Dialer).DialContext(ctx, network, address)
			return err
		})
		return c, err
	}
	return &http.Client{
		Timeout:   2 * time.Second,
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true},
	}
}
