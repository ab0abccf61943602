package main

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// machine says on what, and how busy it was: absolute figures mean nothing
// without.
func machine() string {
	text := fmt.Sprintf("%s/%s, %d CPUs, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		text += ", kernel " + unix.ByteSliceToString(name.Release[:])
	}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		// A fixed-point number with 16 bits after the point, sysinfo(2).
		text += fmt.Sprintf(", load %.1f at the start", float64(info.Loads[0])/(1<<16))
	}
	return text
}
