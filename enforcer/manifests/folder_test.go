package manifests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// folder makes a folder of files, whose texts begin at their first line.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		write(t, dir, name, text)
	}
	return dir
}

// write puts a file in place by renaming.
func write(t testing.TB, dir, name, text string) {
	t.Helper()
	hidden := filepath.Join(dir, ".new-"+name)
	if err := os.WriteFile(hidden, []byte(strings.TrimPrefix(text, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(hidden, filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func mustLoad(t testing.TB, files map[string]string) *Snapshot {
	t.Helper()
	snapshot, err := Load(folder(t, files))
	if err != nil {
		t.Fatalf("loading: %v", err)
	}
	return snapshot
}

// refusal is what Load says, the folder left out.
func refusal(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := folder(t, files)
	snapshot, err := Load(dir)
	if err == nil {
		t.Fatal("loaded, want an error")
	}
	if snapshot != nil {
		t.Error("a snapshot beside an error")
	}
	return strings.ReplaceAll(err.Error(), dir+"/", "")
}
