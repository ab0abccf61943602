package hub

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/plugin/internal/enforcertest"
)

// TestStrangerIsRefused proves N16 for the unix socket: a process of another
// user is turned away even where the file's mode would admit it.
func TestStrangerIsRefused(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("becoming another user needs root")
	}
	dir, err := os.MkdirTemp("", "nameward")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	endpoint := Endpoint{Network: "unix", Address: filepath.Join(dir, "dns.sock")}
	h := New(newClock().Now, discard{})
	open(t, h, endpoint)
	for path, mode := range map[string]os.FileMode{dir: 0o755, endpoint.Address: 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	read := make(chan error, 1)
	go func() { read <- connectAs(65534, endpoint.Address) }()
	if err := <-read; err != nil {
		t.Fatal(err)
	}
	enforcertest.Await(t, "the refusal is counted", func() bool { return h.Stats().Refused.Load() == 1 })
	if got := h.Sessions(); got != 0 {
		t.Errorf("got %d sessions, want none", got)
	}
}

// connectAs connects as another user and returns nil once the peer has hung up.
// It changes the user of its thread alone, and leaves that thread to die.
func connectAs(uid int, path string) error {
	runtime.LockOSThread()
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0)); errno != 0 {
		return errno
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return err
	}
	buffer := make([]byte, 64)
	for {
		if n, err := unix.Read(fd, buffer); n == 0 || err != nil {
			return err
		}
	}
}
