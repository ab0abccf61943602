package manifests

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// watched is a Watch in progress. Its snapshots are told as the names of
// their namespaces, its log as lines.
type watched struct {
	t         *testing.T
	snapshots chan string
	log       chan string
}

type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

func watchFolder(t *testing.T, dir string) *watched {
	t.Helper()
	w := &watched{t: t, snapshots: make(chan string, 100), log: make(chan string, 100)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Watch(ctx, dir, slog.New(slog.NewTextHandler(lines(w.log), nil)), func(s *Snapshot) {
			w.snapshots <- strings.Join(slices.Sorted(maps.Keys(s.Namespaces)), " ")
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("watching ended with %v, want nil", err)
		}
	})
	return w
}

// next awaits a snapshot with these namespaces. States in between are
// possible where several files change.
func (w *watched) next(want string) {
	w.t.Helper()
	w.await(w.snapshots, "snapshot", func(got string) bool { return got == want }, want)
}

func (w *watched) logged(want string) {
	w.t.Helper()
	w.await(w.log, "log line", func(got string) bool { return strings.Contains(got, want) }, want)
}

func (w *watched) await(from chan string, what string, good func(string) bool, want string) {
	w.t.Helper()
	var seen []string
	for timeout := time.After(10 * time.Second); ; {
		select {
		case got := <-from:
			if good(got) {
				return
			}
			seen = append(seen, got)
		case <-timeout:
			w.t.Fatalf("no %s %q; got %q", what, want, seen)
		}
	}
}

// none says that nothing came before what was awaited last.
func (w *watched) none(from chan string) {
	w.t.Helper()
	select {
	case got := <-from:
		w.t.Errorf("got %q, want nothing", got)
	default:
	}
}

func namespace(name string) string {
	return "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + name + "}\n"
}

func TestWatch(t *testing.T) {
	t.Run("files that come, change and go are seen", func(t *testing.T) {
		dir := folder(t, map[string]string{"a.yaml": namespace("a")})
		w := watchFolder(t, dir)
		w.next("a")
		write(t, dir, "b.yaml", namespace("b"))
		w.next("a b")
		write(t, dir, "a.yaml", namespace("c"))
		w.next("b c")
		if err := os.Remove(filepath.Join(dir, "b.yaml")); err != nil {
			t.Fatal(err)
		}
		w.next("c")
		if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(namespace("d")), 0o600); err != nil {
			t.Fatal(err)
		}
		w.next("d")
	})
	t.Run("what does not change the state is not handed on", func(t *testing.T) {
		dir := folder(t, map[string]string{"a.yaml": namespace("a")})
		w := watchFolder(t, dir)
		w.next("a")
		write(t, dir, "a.yaml", namespace("a"))
		write(t, dir, "README.md", "text")
		// The same bytes again come to nothing, which shows when the next
		// change is the next snapshot.
		time.AfterFunc(3*quiet, func() { write(t, dir, "a.yaml", namespace("b")) })
		if got := <-w.snapshots; got != "b" {
			t.Errorf("got snapshot %q, want b", got)
		}
	})
	t.Run("a bad state leaves the last good one in use, says so once, and recovers", func(t *testing.T) {
		dir := folder(t, map[string]string{"a.yaml": namespace("a")})
		w := watchFolder(t, dir)
		w.next("a")
		write(t, dir, "b.yaml", "kind: [")
		w.logged("b.yaml:1")
		write(t, dir, "b.yaml", namespace("b"))
		w.logged("good again")
		w.next("a b")
		w.none(w.snapshots)
		w.none(w.log)
	})
	t.Run("going back to the good state hands nothing on", func(t *testing.T) {
		dir := folder(t, map[string]string{"a.yaml": namespace("a")})
		w := watchFolder(t, dir)
		w.next("a")
		write(t, dir, "a.yaml", "kind: [")
		w.logged("a.yaml:1")
		write(t, dir, "a.yaml", namespace("a"))
		w.logged("good again")
		w.none(w.snapshots)
	})
}

func TestWatchFollowsReplacement(t *testing.T) {
	t.Run("links that are swapped as ConfigMap mounts do", func(t *testing.T) {
		dir := folder(t, nil)
		version := func(name, text string) {
			mkdir(t, filepath.Join(dir, name))
			write(t, filepath.Join(dir, name), "a.yaml", text)
			link(t, name, filepath.Join(dir, "..data"))
		}
		version("..v1", namespace("a"))
		link(t, filepath.Join("..data", "a.yaml"), filepath.Join(dir, "a.yaml"))
		w := watchFolder(t, dir)
		w.next("a")
		version("..v2", namespace("b"))
		w.next("b")
		if err := os.RemoveAll(filepath.Join(dir, "..v1")); err != nil {
			t.Fatal(err)
		}
		version("..v3", namespace("c"))
		w.next("c")
	})
	t.Run("a folder that is a link", func(t *testing.T) {
		above := t.TempDir()
		for _, name := range []string{"v1", "v2"} {
			mkdir(t, filepath.Join(above, name))
			write(t, filepath.Join(above, name), "a.yaml", namespace(name))
		}
		current := filepath.Join(above, "current")
		link(t, "v1", current)
		w := watchFolder(t, current)
		w.next("v1")
		link(t, "v2", current)
		w.next("v2")
		write(t, filepath.Join(above, "v2"), "b.yaml", namespace("later"))
		w.next("later v2")
	})
	t.Run("a folder that goes and comes", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "manifests")
		mkdir(t, dir)
		write(t, dir, "a.yaml", namespace("a"))
		w := watchFolder(t, dir)
		w.next("a")
		if err := os.Rename(dir, dir+".old"); err != nil {
			t.Fatal(err)
		}
		w.logged("no such file or directory")
		if err := os.Rename(dir+".old", dir); err != nil {
			t.Fatal(err)
		}
		w.logged("good again")
		write(t, dir, "b.yaml", namespace("b"))
		w.next("a b")
	})
}

func TestWatchNeedsAGoodStart(t *testing.T) {
	nothing := func(*Snapshot) { t.Error("a snapshot, want none") }
	quietLog := slog.New(slog.DiscardHandler)
	if err := Watch(t.Context(), filepath.Join(t.TempDir(), "nowhere"), quietLog, nothing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: got %v, want fs.ErrNotExist", err)
	}
	dir := folder(t, map[string]string{"a.yaml": "kind: ["})
	if _, ok := errors.AsType[*Error](Watch(t.Context(), dir, quietLog, nothing)); !ok {
		t.Error("a bad file: want an *Error")
	}
}

func mkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
}

// link puts a symbolic link in place by renaming.
func link(t *testing.T, to, at string) {
	t.Helper()
	if err := os.Symlink(to, at+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(at+".new", at); err != nil {
		t.Fatal(err)
	}
}
