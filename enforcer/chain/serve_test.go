package chain

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

// askAs is in the environment of a test binary that is a client of another
// user: the socket that it asks at.
const askAs = "CHAIN_TEST_ASK"

func TestMain(m *testing.M) {
	if socket := os.Getenv(askAs); socket != "" {
		if err := (Client{Socket: socket}).Status(context.Background()); err != nil {
			os.Stdout.WriteString(err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// attached is an attachment with everything in it.
var attached = Attachment{
	ContainerID: "0123abc", Netns: "/run/netns/cni-1", Namespace: "shop", Name: "web-0", UID: "9f6c-1",
	Interface: "veth1234", IfIndex: 7,
	Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.7"), netip.MustParseAddr("fd00::7")},
}

// script is a Handler whose answers a test gives.
type script struct {
	add    func(context.Context, Attachment) error
	check  func(Attachment) error
	del    func(string) error
	gc     func([]string) error
	status func() error
}

func (s script) Add(ctx context.Context, a Attachment) error { return s.add(ctx, a) }
func (s script) Check(_ context.Context, a Attachment) error { return s.check(a) }
func (s script) Del(_ context.Context, id string) error      { return s.del(id) }
func (s script) GC(_ context.Context, valid []string) error  { return s.gc(valid) }
func (s script) Status(context.Context) error                { return s.status() }

// serve serves until the test, or stop, ends it.
func serve(t *testing.T, h Handler) (client Client, stop func()) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "socket")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, l, h) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
	t.Cleanup(stop)
	return Client{Socket: path}, stop
}

// D9: each question reaches the handler as it was asked, and its answer comes
// back.
func TestQuestionsAndAnswers(t *testing.T) {
	refusal := errors.New("no such thing")
	var got []any
	client, _ := serve(t, script{
		add:    func(_ context.Context, a Attachment) error { got = append(got, "add", a); return nil },
		check:  func(a Attachment) error { got = append(got, "check", a); return refusal },
		del:    func(id string) error { got = append(got, "del", id); return nil },
		gc:     func(valid []string) error { got = append(got, "gc", valid); return nil },
		status: func() error { got = append(got, "status"); return refusal },
	})
	ctx := t.Context()
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"add", client.Add(ctx, attached), ""},
		{"check", client.Check(ctx, attached), "the enforcer answers: no such thing"},
		{"del", client.Del(ctx, "0123abc"), ""},
		{"gc", client.GC(ctx, []string{"a", "b"}), ""},
		{"gc of all", client.GC(ctx, nil), ""},
		{"status", client.Status(ctx), "the enforcer answers: no such thing"},
	} {
		if said := text(c.err); said != c.want {
			t.Errorf("%s: got %q, want %q", c.name, said, c.want)
		}
	}
	want := []any{"add", attached, "check", attached, "del", "0123abc", "gc", []string{"a", "b"}, "gc", []string{}, "status"}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// D9: an Add is answered when the handler is done, not before.
func TestAddWaits(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	client, _ := serve(t, script{add: func(context.Context, Attachment) error {
		close(begun)
		<-release
		return nil
	}})
	answered := make(chan error, 1)
	go func() { answered <- client.Add(context.Background(), attached) }()
	<-begun
	select {
	case err := <-answered:
		t.Fatalf("answered with %v ahead of the handler", err)
	default:
	}
	close(release)
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

// A plugin that goes away ends its call.
func TestClientThatCancels(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan error, 1)
	client, _ := serve(t, script{add: func(ctx context.Context, _ Attachment) error {
		close(begun)
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}})
	ctx, cancel := context.WithCancel(t.Context())
	answered := make(chan error, 1)
	go func() { answered <- client.Add(ctx, attached) }()
	<-begun
	cancel()
	if err := <-answered; !errors.Is(err, context.Canceled) || errors.Is(err, ErrAway) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("handler's context: got %v, want %v", err, context.Canceled)
	}
}

// D8: an enforcer that ends tells those who wait to ask again, returns after
// the last call, and leaves no socket.
func TestServeEnds(t *testing.T) {
	begun, returned := make(chan struct{}), false
	client, stop := serve(t, script{add: func(ctx context.Context, _ Attachment) error {
		close(begun)
		<-ctx.Done()
		returned = true
		return ctx.Err()
	}})
	answered := make(chan error, 1)
	go func() { answered <- client.Add(context.Background(), attached) }()
	<-begun
	stop()
	if !returned {
		t.Error("Serve returned ahead of a call")
	}
	if err := <-answered; !errors.Is(err, ErrAway) {
		t.Errorf("got %v, want %v", err, ErrAway)
	}
	if err := client.Status(t.Context()); !errors.Is(err, ErrAway) {
		t.Errorf("got %v, want %v", err, ErrAway)
	}
	if _, err := os.Lstat(client.Socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("socket: got %v, want it gone", err)
	}
}

// Serve waits even for a call that does not notice that it is to end.
func TestServeWaitsForTheLastCall(t *testing.T) {
	begun, release, returned := make(chan struct{}), make(chan struct{}), make(chan struct{})
	client, stop := serve(t, script{add: func(context.Context, Attachment) error {
		close(begun)
		<-release
		close(returned)
		return nil
	}})
	answered, stopped := make(chan error, 1), make(chan struct{})
	go func() { answered <- client.Add(context.Background(), attached) }()
	<-begun
	go func() { stop(); close(stopped) }()
	if err := <-answered; !errors.Is(err, ErrAway) {
		t.Errorf("got %v, want %v", err, ErrAway)
	}
	select {
	case <-stopped:
		t.Error("Serve returned ahead of a call")
	case <-time.After(20 * time.Millisecond):
	}
	close(release)
	<-stopped
	select {
	case <-returned:
	default:
		t.Error("Serve returned ahead of a call")
	}
}

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
