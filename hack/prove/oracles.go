package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"strconv"

	"github.com/nameward/nameward/hack/prove/search"
)

const oraclesName = "oracles"

// oraclesFolder is a module of its own: users must not download what it needs.
const oraclesFolder = "hack/oracles"

// tally is the last line of a proof.
var tally = regexp.MustCompile(`^(\d+) passed, (\d+) failed$`)

// askOracles runs the proof of the other module, tells what it tells, and adds
// its numbers.
func askOracles(o options, out io.Writer) (search.Result, error) {
	r := search.Result{Name: oraclesName, Seed: o.seed}
	if _, err := os.Stat(oraclesFolder); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(out, "%-8s left out, since there is no %s below this folder\n", oraclesName, oraclesFolder)
		return r, nil
	}
	command := exec.Command("go", "run", "./prove", "-budget", o.budget.String(), "-seed", strconv.FormatUint(o.seed, 10))
	command.Dir, command.Stderr = oraclesFolder, os.Stderr
	told, err := command.StdoutPipe()
	if err != nil {
		return r, err
	}
	if err := command.Start(); err != nil {
		return r, fmt.Errorf("start the oracles: %w", err)
	}
	failed := relay(told, out, &r)
	ended := command.Wait()
	switch {
	case failed < 0:
		return r, fmt.Errorf("the oracles ended without a line %q: %v", "N passed, N failed", ended)
	case ended != nil && failed == 0:
		return r, fmt.Errorf("the oracles ended with %v, but told of no failure", ended)
	}
	r.Judged += failed
	r.Failures = make([]search.Failure, failed)
	return r, nil
}

// relay copies lines but for the tally, whose failures it gives; -1 without one.
func relay(from io.Reader, out io.Writer, r *search.Result) int {
	failed := -1
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		found := tally.FindStringSubmatch(lines.Text())
		if found == nil {
			fmt.Fprintln(out, lines.Text())
			continue
		}
		r.Judged, _ = strconv.Atoi(found[1])
		failed, _ = strconv.Atoi(found[2])
	}
	if lines.Err() != nil {
		return -1
	}
	return failed
}
