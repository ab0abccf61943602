package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// usage is what a process has taken so far, as the kernel says.
type usage struct {
	cpu time.Duration
	// resident and peak are bytes of memory.
	resident, peak float64
}

// usageOf reads proc_pid_stat(5) and proc_pid_status(5).
func usageOf(pid int) (usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, fmt.Errorf("read the CPU time of process %d: %w", pid, err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return usage{}, fmt.Errorf("read the memory of process %d: %w", pid, err)
	}
	return parseUsage(string(stat), string(status))
}

// tick is the unit of the times in proc_pid_stat(5): USER_HZ is 100 on every
// architecture that Go has.
const tick = time.Second / 100

func parseUsage(stat, status string) (u usage, err error) {
	// The name, in parentheses, may hold anything.
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	const user, system = 11, 12 // counted from the state, which follows the name
	if len(fields) <= system {
		return u, fmt.Errorf("read CPU time: %q has %d fields after the name, want more than %d", stat, len(fields), system)
	}
	for _, field := range fields[user : system+1] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return u, fmt.Errorf("read CPU time: %w", err)
		}
		u.cpu += time.Duration(ticks) * tick
	}
	for label, to := range map[string]*float64{"VmRSS:": &u.resident, "VmHWM:": &u.peak} {
		if *to, err = kilobytes(status, label); err != nil {
			return u, err
		}
	}
	return u, nil
}

// kilobytes finds a line such as "VmRSS:  1234 kB" and returns bytes.
func kilobytes(status, label string) (float64, error) {
	for line := range strings.Lines(status) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == label && fields[2] == "kB" {
			n, err := strconv.ParseFloat(fields[1], 64)
			return 1024 * n, err
		}
	}
	return 0, fmt.Errorf("read memory: no line %s", label)
}
