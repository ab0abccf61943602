package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/nameward/nameward/hack/demo/scene"
)

// traffic is an open connection over which a pod keeps requesting pages.
type traffic struct {
	conn *scene.Conn
	host string
	stop context.CancelFunc
	// ended is closed once the fields below are final.
	ended    chan struct{}
	requests int
	longest  time.Duration
	failure  error
}

const (
	// pause lies between two requests of an open connection.
	pause = 10 * time.Millisecond
	// cutAfter is when a connection without answers counts as cut: time for
	// a repeat, so that one lost packet is not mistaken for it.
	cutAfter = 800 * time.Millisecond
)

// open connects straight to the target's address and starts requesting.
func open(ctx context.Context, pod *scene.Pod, to scene.Target, f scene.Family) (*traffic, error) {
	conn, err := pod.Connect(ctx, netip.AddrPortFrom(to.Known.Of(f), to.Port))
	if err != nil {
		return nil, fmt.Errorf("open a connection from %s to %s: %w", pod, to.Label, err)
	}
	ctx, stop := context.WithCancel(ctx)
	t := &traffic{conn: conn, host: to.Name, stop: stop, ended: make(chan struct{})}
	go t.run(ctx)
	return t, nil
}

func (t *traffic) run(ctx context.Context) {
	defer close(t.ended)
	for ctx.Err() == nil && t.failure == nil {
		began := time.Now()
		t.failure = t.conn.Get(t.host, cutAfter)
		if t.failure == nil {
			t.requests++
			t.longest = max(t.longest, time.Since(began))
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// goesOn ends the traffic and reports whether it went on to the end without a
// segment sent twice.
func (t *traffic) goesOn(name string) line {
	t.stop()
	<-t.ended
	defer t.conn.Close()
	l := line{route: name, want: "goes on", got: "goes on"}
	again, err := t.conn.Retransmits()
	l.why = fmt.Sprintf("%d requests, longest %s, %d retransmissions",
		t.requests, t.longest.Round(100*time.Microsecond), again)
	switch {
	case t.failure != nil:
		l.got = outcome(t.failure)
	case err != nil:
		l.got = outcome(err)
	case again > 0:
		l.got = "lost packets"
	}
	return l
}

// isCut waits until the connection has gone silent.
func (t *traffic) isCut(ctx context.Context, name string) line {
	l := line{route: name, want: "cut", got: "goes on"}
	select {
	case <-t.ended:
		l.got = outcome(t.failure)
		if scene.Blocked(t.failure) {
			l.got = "cut"
		}
	case <-ctx.Done():
	case <-time.After(within + cutAfter):
	}
	t.stop()
	<-t.ended
	l.why = fmt.Sprintf("after %d requests", t.requests)
	t.conn.Close()
	return l
}
