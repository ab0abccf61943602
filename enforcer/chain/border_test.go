package chain

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Only root asks: the kernel tells who does.
func TestOnlyRootIsServed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to be somebody else")
	}
	dir, err := os.MkdirTemp("", "chain")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "socket")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	// As if somebody had opened the socket to all.
	binary := filepath.Join(dir, "asker")
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(path, 0o666), copyFile(os.Args[0], binary)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, l, script{status: func() error { return nil }}) }()
	for uid, want := range map[uint32]string{0: "", 65534: "the enforcer answers: user 65534 asks; only root may"} {
		cmd := exec.Command(binary)
		cmd.Env = []string{askAs + "=" + path}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		if out, _ := cmd.Output(); string(out) != want {
			t.Errorf("user %d: got %q, want %q", uid, out, want)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o755)
}

// What is no request is answered with what would be one, and reaches no handler.
func TestBadRequests(t *testing.T) {
	client, _ := serve(t, script{status: func() error { return errors.New("reached") }})
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"another method", "GET", "/status", `{"version":1}`, 404, "want POST"},
		{"another path", "POST", "/reset", `{"version":1}`, 404, "want POST"},
		{"a later version", "POST", "/status", `{"version":2,"new":1}`, 400, "nameward-cni speaks 2, the enforcer 1"},
		{"no version", "POST", "/status", `{}`, 400, "protocol version differs"},
		{"an unknown field", "POST", "/status", `{"version":1,"force":true}`, 400, `unknown field`},
		{"a second value", "POST", "/status", `{"version":1}{}`, 400, "read request"},
		{"another kind's fields", "POST", "/status", `{"version":1,"containerID":"a"}`, 400, "has not the fields of its kind"},
		{"a GC that says nothing", "POST", "/gc", `{"version":1}`, 400, "has not the fields of its kind"},
		{"a body without end", "POST", "/gc", `{"version":1,"valid":["` + strings.Repeat("a", maxRequest) + `"]}`, 400, "too large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := net.Dial("unix", client.Socket)
			if err != nil {
				t.Fatal(err)
			}
			transport := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}}
			q, err := http.NewRequest(c.method, "http://enforcer"+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			r, err := transport.Do(q)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			said, err := io.ReadAll(r.Body)
			if err != nil || r.StatusCode != c.status || !bytes.Contains(said, []byte(c.want)) {
				t.Errorf("got %d %s, %v; want %d with %q", r.StatusCode, said, err, c.status, c.want)
			}
		})
	}
}

// Connections beyond the bound wait until another ends.
func TestBoundedConnections(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	inner, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	b := newBound(inner, 1)
	accepted := make(chan net.Conn)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := b.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	for range 2 {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	first := <-accepted
	if len(b.places) != 1 {
		t.Errorf("got %d places taken, want 1", len(b.places))
	}
	select {
	case <-accepted:
		t.Error("a second connection is served beyond the bound")
	case <-time.After(20 * time.Millisecond):
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	_ = first.Close() // a second Close gives no second place
	second := <-accepted
	if err := errors.Join(b.Close(), second.Close()); err != nil {
		t.Error(err)
	}
	<-done
}
