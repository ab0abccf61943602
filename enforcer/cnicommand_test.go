package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// D9, S5: the plugin is put into the chain and taken out by command.
func TestCNICommands(t *testing.T) {
	dir := t.TempDir()
	conf, bin, plugin := filepath.Join(dir, "net.d"), filepath.Join(dir, "bin"), filepath.Join(dir, "plugin")
	list := filepath.Join(conf, "10-lab.conflist")
	const text = `{"name": "lab", "plugins": [{"type": "ptp"}]}`
	check(t, os.Mkdir(conf, 0o755))
	check(t, os.Mkdir(bin, 0o755))
	check(t, os.WriteFile(plugin, []byte("program"), 0o755))
	place := []string{"--conf-dir", conf, "--bin-dir", bin}
	install := append([]string{"cni", "install", "--binary", plugin}, place...)
	for _, row := range []struct {
		sentence string
		args     []string
		exit     int
		says     string
	}{
		{"cni alone is no command", []string{"cni"}, exitUsage, "want"},
		{"what happens without an enforcer is to be said", install, exitUsage, `--mode: mode is ""; want "required" or "best-effort"`},
		{"a socket has an absolute path", append(install, "--mode=required", "--socket=x"), exitUsage, "--socket is \"x\""},
		{"a wait has bounds", append(install, "--mode=required", "--timeout=1h"), exitUsage, "--timeout is \"1h0m0s\"; want a duration from"},
		{"a directory is to be there", append(install, "--mode=required", "--conf-dir=/none"), exitFailure, "(--conf-dir): open /none"},
		{"a CNI may come up later", append(install, "--mode=required"), exitClean, "no CNI configuration yet"},
	} {
		t.Run(row.sentence, func(t *testing.T) { command(t, row.args, row.exit, row.says) })
	}
	check(t, os.WriteFile(list, []byte(text), 0o644))
	command(t, append(install, "--mode=best-effort"), exitClean, "installed "+list)
	if got, err := os.ReadFile(list); err != nil || !strings.Contains(string(got), `"mode":"best-effort"`) {
		t.Errorf("got %s, %v; want the plugin with mode best-effort", got, err)
	}
	command(t, append([]string{"cni", "uninstall"}, place...), exitClean, "restored or removed "+list)
	if got, err := os.ReadFile(list); err != nil || string(got) != text {
		t.Errorf("got %s, %v; want %s", got, err, text)
	}
	command(t, []string{"cni", "uninstall", "--conf-dir=/none", "--bin-dir=/none"}, exitClean, "")
}

func command(t *testing.T, args []string, exit int, says string) {
	t.Helper()
	var out bytes.Buffer
	got := run(t.Context(), env{stdout: &out, stderr: &out, hostname: os.Hostname}, args)
	if got != exit || !strings.Contains(out.String(), says) {
		t.Errorf("%v: got exit %d and %q, want %d and %q", args, got, out.String(), exit, says)
	}
}
