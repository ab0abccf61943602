package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// S5: what an uninstallation runs says what it wants.
func TestRemovalCommands(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "config")
	check(t, os.WriteFile(config, []byte("{}"), 0o600))
	for _, row := range []struct {
		sentence string
		args     []string
		exit     int
		says     string
	}{
		{"remove wants a file", []string{"remove"}, exitUsage, "--daemonset: required"},
		{"which is there", []string{"remove", "--daemonset", filepath.Join(dir, "none")}, exitUsage, "no such file"},
		{"and some time", []string{"remove", "--daemonset", config, "--timeout", "0s"}, exitUsage, "--timeout: 0s: want a time to wait"},
		{"and a cluster", []string{"remove", "--daemonset", config, "--kubeconfig", config}, exitFailure, "find the API server"},
		{"detach of a node without enforcer is a mistake", []string{"detach", "--pin", dir + "/nameward"}, exitFailure, "no such file"},
		{"a socket that is nowhere", []string{"detach", "--pin", dir + "/nameward", "--missing-ok", "--socket", "enforcer.sock"}, exitUsage, "--socket"},
		{"but not for an uninstallation, which comes to every node", []string{"detach", "--pin", dir + "/nameward", "--missing-ok"}, exitClean, ""},
		{"address alone is no command", []string{"address"}, exitUsage, "want add or remove"},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			var out bytes.Buffer
			got := run(t.Context(), env{stdout: &out, stderr: &out, hostname: os.Hostname}, row.args)
			if got != row.exit || !strings.Contains(out.String(), row.says) {
				t.Errorf("got exit %d and %q, want %d and %q", got, out.String(), row.exit, row.says)
			}
		})
	}
}

// A pod that has removed what there was stays until it is told to end, and then
// ends as one that is well.
func TestWaitEndsWhenTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int)
	go func() {
		ended <- run(ctx, env{stdout: os.Stdout, stderr: os.Stderr, hostname: os.Hostname}, []string{"wait"})
	}()
	select {
	case code := <-ended:
		t.Fatalf("ended by itself with %d", code)
	default:
	}
	cancel()
	if code := <-ended; code != exitClean {
		t.Errorf("got %d, want %d", code, exitClean)
	}
}

// S5: what an enforcer has kept beside its socket goes with it, and nothing else.
func TestForget(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "enforcer.sock")
	check(t, os.MkdirAll(attachments(socket), 0o700))
	for _, name := range []string{"enforcer.sock", "attachments/x.json", "dns.sock"} {
		check(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	check(t, errors.Join(forget(socket), forget(socket), forget("")))
	if left := must(os.ReadDir(dir)); len(left) != 1 || left[0].Name() != "dns.sock" {
		t.Errorf("got %v, want what is somebody else's", left)
	}
}
