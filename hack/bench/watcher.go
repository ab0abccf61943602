package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/nameward/nameward/plugin/stream"
)

// watchedMetric is how many clients CoreDNS watches for enforcers.
const watchedMetric = "coredns_nameward_watched_clients"

// longValidity outlasts any run: what was acknowledged once is never asked again.
const longValidity = 24 * time.Hour

// watcher is an enforcer without a kernel: it acknowledges what it is told, for
// good, so that the plugin's own part can be measured alone.
type watcher struct {
	conn    *grpc.ClientConn
	session stream.Names_SessionClient
	cancel  context.CancelFunc
	learned atomic.Int64
	// canaries gets the name canary each time that it is told of it.
	canaries chan time.Time
}

// canaryLabel is a name of the zone that nobody asks for but whoever wants to
// find it in the journal.
const canaryLabel = "canary"

var canary = canaryLabel + "." + zone

// watch subscribes a watcher and returns once the server, which listens at the
// socket, watches all of its clients, one address each.
func (v *server) watch(ctx context.Context, socket string, watches []*stream.Watch) (*watcher, error) {
	w, err := newWatcher(ctx, socket, watches)
	if err != nil {
		return nil, err
	}
	if err := v.awaitMetric(ctx, watchedMetric, float64(len(watches))); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// newWatcher opens a session with the CoreDNS behind the socket and subscribes.
func newWatcher(ctx context.Context, socket string, watches []*stream.Watch) (_ *watcher, err error) {
	w := &watcher{canaries: make(chan time.Time, 16)}
	ctx, w.cancel = context.WithCancel(ctx)
	w.conn, err = grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(stream.MaxMessage), grpc.MaxCallSendMsgSize(stream.MaxMessage)))
	if err != nil {
		w.cancel()
		return nil, fmt.Errorf("dial CoreDNS: %w", err)
	}
	if w.session, err = greet(ctx, w.conn, &stream.Hello{Version: stream.Version, Node: "bench"}); err != nil {
		w.close()
		return nil, err
	}
	if err := w.subscribe(&stream.Subscription{Reset_: true, Watches: watches}); err != nil {
		w.close()
		return nil, err
	}
	go w.acknowledge()
	return w, nil
}

// greet opens a session.
func greet(ctx context.Context, conn *grpc.ClientConn, hello *stream.Hello) (stream.Names_SessionClient, error) {
	session, err := stream.NewNamesClient(conn).Session(ctx)
	if err != nil {
		return nil, fmt.Errorf("open a session: %w", err)
	}
	if err := session.Send(&stream.ClientMessage{Message: &stream.ClientMessage_Hello{Hello: hello}}); err != nil {
		return nil, fmt.Errorf("say hello: %w", err)
	}
	first, err := session.Recv()
	if err != nil {
		return nil, fmt.Errorf("await welcome: %w", err)
	}
	if first.GetWelcome().GetVersion() != stream.Version {
		return nil, fmt.Errorf("await welcome: got %v", first)
	}
	return session, nil
}

func (w *watcher) subscribe(s *stream.Subscription) error {
	err := w.session.Send(&stream.ClientMessage{Message: &stream.ClientMessage_Subscription{Subscription: s}})
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	return nil
}

func (w *watcher) acknowledge() {
	for {
		m, err := w.session.Recv()
		if err != nil {
			return
		}
		w.learned.Add(1)
		if m.GetLearned().GetName() == canary {
			select {
			case w.canaries <- time.Now():
			default:
			}
		}
		if w.session.Send(acknowledgement(m.GetLearned().GetSeq(), longValidity)) != nil {
			return
		}
	}
}

func acknowledgement(seq uint64, valid time.Duration) *stream.ClientMessage {
	return &stream.ClientMessage{Message: &stream.ClientMessage_Ack{Ack: &stream.Ack{Seq: seq, ValidMs: uint64(valid.Milliseconds())}}}
}

func (w *watcher) close() {
	w.cancel()
	w.conn.Close()
}
