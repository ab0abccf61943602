package chain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// maxConnections is how many plugins are heard at once. A node starts a
	// few hundred pods at most, after a boot.
	maxConnections = 256
	// patience bounds how long a request may take to arrive: it comes from
	// the same machine.
	patience = 5 * time.Second
	// LongestWait is the longest that an answer may take, whatever the
	// plugin's own limit: container runtimes give up a pod after some minutes.
	LongestWait = 2 * time.Minute
)

// Handler is the enforcer, as the plugin sees it. Its methods are called from
// many goroutines. They return soon after their context has ended, which it
// does when the plugin has gone away, and when Serve is to end. What an error
// says is shown by the runtime, in the Events of the pod.
type Handler interface {
	// Add returns nil when the policy of the attachment's pod is in the
	// kernel. It may be called again for the same attachment.
	Add(ctx context.Context, a Attachment) error
	// Check returns nil if it still is.
	Check(ctx context.Context, a Attachment) error
	// Del ends what is known of a container; not to know it is no error.
	Del(ctx context.Context, containerID string) error
	// GC ends what is known of all containers but these.
	GC(ctx context.Context, valid []string) error
	// Status returns nil if Add would not have to wait for anything but its
	// own pod.
	Status(ctx context.Context) error
}

// Serve answers the plugins that come to l, which it closes, until ctx ends;
// then it returns nil, after the last call of h has returned. Requests that
// are under way when ctx ends are told to try again. Only root is served.
func Serve(ctx context.Context, l net.Listener, h Handler) error {
	s := &service{handler: h}
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: patience,
		MaxHeaderBytes:    4 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			uid, err := peer(conn)
			return context.WithValue(ctx, asker{}, asker{uid: uid, err: err})
		},
		// What a peer does wrong is told to the peer.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	server.SetKeepAlivesEnabled(false)
	served := make(chan error, 1)
	go func() { served <- server.Serve(newBound(l, maxConnections)) }()
	var err error
	select {
	case err = <-served:
		err = fmt.Errorf("serve the CNI plugin at %s: %w", l.Addr(), err)
	case <-ctx.Done():
		// Calls see their context end, and plugins get their answer.
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		_ = server.Shutdown(last) // Close ends what has not ended
		cancel()
	}
	_ = server.Close()
	_ = l.Close() // closed before, unless Serve never began
	s.end()
	return err
}

// asker is who a connection comes from; also its key in a context.
type asker struct {
	uid uint32
	err error
}

func (a asker) check() error {
	if a.err != nil {
		return a.err
	}
	if a.uid != 0 {
		return fmt.Errorf("user %d asks; only root may", a.uid)
	}
	return nil
}

type service struct {
	handler Handler

	mu    sync.Mutex
	ended bool
	calls sync.WaitGroup
}

// begin counts a call, unless none may begin any more.
func (s *service) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.calls.Add(1)
	}
	return !s.ended
}

// end returns when no call is under way and none can begin.
func (s *service) end() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.calls.Wait()
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.begin() {
		return
	}
	defer s.calls.Done()
	if who, _ := r.Context().Value(asker{}).(asker); who.check() != nil {
		reply(w, http.StatusForbidden, who.check())
		return
	}
	v := verb(strings.TrimPrefix(r.URL.Path, "/"))
	if _, ok := calls[v]; !ok || r.Method != http.MethodPost {
		reply(w, http.StatusNotFound, fmt.Errorf("no %s %s; want POST /add, /check, /del, /gc or /status", r.Method, r.URL.Path))
		return
	}
	body, err := readBody(w, r)
	if err == nil {
		var q request
		if q, err = decode(v, body); err == nil {
			s.call(w, r, v, q)
			return
		}
	}
	reply(w, http.StatusBadRequest, err)
}

var calls = map[verb]func(context.Context, Handler, request) error{
	verbAdd:    func(ctx context.Context, h Handler, q request) error { return h.Add(ctx, *q.Attachment) },
	verbCheck:  func(ctx context.Context, h Handler, q request) error { return h.Check(ctx, *q.Attachment) },
	verbDel:    func(ctx context.Context, h Handler, q request) error { return h.Del(ctx, q.ContainerID) },
	verbGC:     func(ctx context.Context, h Handler, q request) error { return h.GC(ctx, *q.Valid) },
	verbStatus: func(ctx context.Context, h Handler, q request) error { return h.Status(ctx) },
}

func (s *service) call(w http.ResponseWriter, r *http.Request, v verb, q request) {
	ctx, cancel := context.WithTimeout(r.Context(), LongestWait)
	defer cancel()
	err := calls[v](ctx, s.handler, q)
	switch {
	case err == nil:
		reply(w, http.StatusOK, nil)
	case r.Context().Err() != nil:
		// Either nobody reads this, or the enforcer ends: its successor is
		// to be asked.
		reply(w, http.StatusServiceUnavailable, errors.New("the enforcer ends; ask again"))
	default:
		reply(w, http.StatusInternalServerError, err)
	}
}

// readBody reads a request's body, which must arrive in time. The deadline
// then goes: net/http reads on, to notice when the plugin goes away.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, fmt.Errorf("bound the request: %w", err)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	if err := control.SetReadDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("unbound the request: %w", err)
	}
	return body, nil
}

func reply(w http.ResponseWriter, status int, err error) {
	a := answer{Version: Version}
	if err != nil {
		a.Error = cut(err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(a) // a peer that is gone needs no answer
}

// cut bounds an error to what a pod's Event has room for.
func cut(s string) string {
	const longest = 1024
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "…"
}
