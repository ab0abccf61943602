package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// benchmarks are what `go test -bench` reported: every value of every run.
type benchmarks struct {
	// names are in the order of their first report, without "Benchmark".
	names  []string
	values map[string]map[string][]float64 // by name and unit
}

// median is over the runs of one benchmark.
func (b benchmarks) median(name, unit string) (float64, error) {
	values := b.values[name][unit]
	if len(values) == 0 {
		return 0, fmt.Errorf("benchmark %s reported no %s", name, unit)
	}
	return median(values), nil
}

// processors is what go test appends to a name: the number of CPUs in use.
var processors = regexp.MustCompile(`-[0-9]+$`)

// parseBenchmarks reads the output of `go test -bench` (golang.org/design/14313-benchmark-format).
func parseBenchmarks(out io.Reader) (benchmarks, error) {
	all := benchmarks{values: map[string]map[string][]float64{}}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := processors.ReplaceAllString(strings.TrimPrefix(fields[0], "Benchmark"), "")
		if all.values[name] == nil {
			all.names = append(all.names, name)
			all.values[name] = map[string][]float64{}
		}
		for pair := fields[2:]; len(pair) >= 2; pair = pair[2:] {
			value, err := strconv.ParseFloat(pair[0], 64)
			if err != nil {
				return all, fmt.Errorf("read benchmark line %q: want pairs of a number and its unit", lines.Text())
			}
			all.values[name][pair[1]] = append(all.values[name][pair[1]], value)
		}
	}
	return all, lines.Err()
}

// module is where the packages with benchmarks are.
const module = "github.com/nameward/nameward/"

// goBench runs the benchmarks of a package, each runs times over duration.
func goBench(ctx context.Context, pkg, pattern string, runs int, duration time.Duration, flags ...string) (benchmarks, error) {
	args := append([]string{"test", "-run", "^$", "-bench", pattern,
		"-count", strconv.Itoa(runs), "-benchtime", duration.String()}, flags...)
	cmd := command(ctx, "go", append(args, module+pkg)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return benchmarks{}, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	all, err := parseBenchmarks(bytes.NewReader(out))
	if err == nil && len(all.names) == 0 {
		err = errors.New("no benchmark ran")
	}
	if err != nil {
		return all, fmt.Errorf("benchmarks of %s: %w", pkg, err)
	}
	return all, nil
}

// command is a program in a process group of its own, which gets one Ctrl-C
// as a whole when the context ends, time to tidy up, and no more.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = 3 * time.Second
	return cmd
}
