package dns

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/nameward/nameward/plugin/stream"
)

// N16: what a session began with does not hold for ever; the next stream is
// there, and has said what it wants, before the last one goes.
func TestSessionIsRenewedWithoutAGap(t *testing.T) {
	path, target := socketPath(t)
	srv := listenUnix(t, path, nil)
	cfg := config(target)
	cfg.renewal, cfg.handover = 500*time.Millisecond, 2*time.Second
	got := make(chan Learned, 16)
	cfg.Learned = func(l Learned) (time.Duration, bool) { got <- l; return time.Minute, true }
	start(t, cfg, Watch{Addresses: []netip.Addr{pod1}, Patterns: []string{"example.com"}})
	last := srv.accept(t)
	want := last.next()
	for range 2 {
		next := srv.accept(t)
		if m := next.next(); !proto.Equal(m, want) {
			t.Errorf("the next stream: got %v, want %v", m, want)
		}
		select {
		case <-last.gone:
			t.Fatal("the last stream ended before its successor had subscribed")
		default:
		}
		last.learned(&stream.Learned{Seq: 1, Client: pod1.AsSlice(), Name: "example.com"})
		select {
		case <-got:
		case <-time.After(patience):
			t.Fatal("the last stream delivers nothing any more")
		}
		if last.next().GetAck().GetSeq() != 1 {
			t.Error("the last stream does not acknowledge any more")
		}
		<-last.gone
		last = next
	}
}

// A server that is away at the moment of renewal costs nothing.
func TestFailedRenewalLeavesTheSession(t *testing.T) {
	path, target := socketPath(t)
	srv := listenUnix(t, path, nil)
	cfg := config(target)
	cfg.renewal = 50 * time.Millisecond
	c := start(t, cfg)
	s := srv.accept(t)
	eventually(t, "connected", func() bool { return c.States()[0].Connected })
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	s.next()
	time.Sleep(4 * cfg.renewal) // attempts that nobody sees from here
	if !c.States()[0].Connected {
		t.Error("the session is lost")
	}
	select {
	case <-s.gone:
		t.Error("the stream has ended")
	default:
	}
}

// N16: the token is read for each stream and travels as RFC 6750 has it.
func TestTokenIsReadForEachStream(t *testing.T) {
	ca := newAuthority(t)
	tls := ca.server("127.0.0.1")
	tls.ClientAuth = 0
	srv := listenTCP(t, "127.0.0.1:0", "replica-1", tls)
	target, err := ParseTarget("tcp://" + address(srv))
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(target)
	files := ca.write(t.TempDir())
	cfg.Credentials = Credentials{CA: files.CA, Token: filepath.Join(t.TempDir(), "token")}
	rotate := func(token string) {
		if err := os.WriteFile(cfg.Credentials.Token, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rotate("the.first.one\n")
	start(t, cfg)
	for _, want := range []string{"Bearer the.first.one", "Bearer the.next.one"} {
		s := srv.accept(t)
		md, _ := metadata.FromIncomingContext(s.send.Context())
		if got := md.Get("authorization"); len(got) != 1 || got[0] != want {
			t.Errorf("got %q, want %q", got, want)
		}
		rotate("the.next.one\n")
		s.end <- nil
	}
}

func TestRenewal(t *testing.T) {
	c := newAuthority(t).write(t.TempDir()) // for an hour
	now := time.Now()
	token := Credentials{CA: c.CA, Token: "token"}
	both := c
	both.Token = "token"
	tests := []struct {
		sentence  string
		c         Credentials
		at        time.Time
		fraction  float64
		low, high time.Duration
	}{
		{"a token, early", token, now, 0, 10 * time.Minute, 10 * time.Minute},
		{"a token, late", token, now, 1, 15 * time.Minute, 15 * time.Minute},
		{"a certificate, early", c, now, 0, 29 * time.Minute, 30 * time.Minute},
		{"a certificate, late", c, now, 1, 44 * time.Minute, 45 * time.Minute},
		{"both: what ends first", both, now, 1, 15 * time.Minute, 15 * time.Minute},
		{"a certificate that has ended", c, now.Add(2 * time.Hour), 0, time.Minute, time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.sentence, func(t *testing.T) {
			if got := tt.c.renewal(tt.at, tt.fraction); got < tt.low || got > tt.high {
				t.Errorf("got %v, want %v to %v", got, tt.low, tt.high)
			}
		})
	}
}
