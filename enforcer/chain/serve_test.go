package chain

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
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
