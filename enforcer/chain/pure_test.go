package chain

import (
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A socket that nobody answers at is replaced, and nothing else.
func TestListen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "new", "socket")
	first, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v; want permissions 0600", info.Mode(), err)
	}
	if _, err := Listen(path); !errors.Is(err, ErrInUse) {
		t.Errorf("a second server: got %v, want %v", err, ErrInUse)
	}
	// A killed enforcer leaves its socket.
	if err := first.(*listener).UnixListener.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := Listen(path)
	if err != nil {
		t.Fatalf("at a socket that was left: %v", err)
	}
	if err := first.Close(); err == nil {
		t.Error("a second Close of the first: got no error")
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the first took the second's socket: %v", err)
	}
	if err := errors.Join(conn.Close(), second.Close()); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) > 0 {
		t.Errorf("left after Close: %v, %v", left, err)
	}
	for _, bad := range []string{"relative", "/" + strings.Repeat("a", 108), dir} {
		if l, err := Listen(bad); err == nil {
			t.Errorf("Listen(%q): got no error, want one", bad)
			_ = l.Close()
		}
	}
}

// S5: a configuration's mistake is named, with what would be right.
func TestParseConfig(t *testing.T) {
	usual := Config{Mode: Required, Socket: DefaultSocket, Timeout: DefaultTimeout, Pins: DefaultPins}
	lenient := usual
	lenient.Mode = BestEffort
	for _, c := range []struct {
		name, in string
		want     Config
		err      string
	}{
		{"nothing said is the safe mode", `{"type":"nameward-cni"}`, usual, ""},
		{"all said", `{"type":"nameward-cni","mode":"best-effort","socket":"/s","timeout":"1m","away":"open","pins":"/p"}`, Config{BestEffort, "/s", time.Minute, AwayOpen, "/p"}, ""},
		{"a pod that starts while nobody watches is closed", `{"mode":"best-effort"}`, lenient, ""},
		{"an unknown posture", `{"mode":"best-effort","away":"ajar"}`, lenient, `away is "ajar"; want "closed" or "open"`},
		{"a relative pin directory", `{"pins":"nameward"}`, usual, `pins is "nameward"; want an absolute path`},
		{"what runtimes add", `{"cniVersion":"1.1.0","name":"n","type":"t","prevResult":{},"args":{},"runtimeConfig":{},"capabilities":{},"cni.dev/valid-attachments":[]}`, usual, ""},
		{"an unknown key", `{"mod":"required"}`, usual, `unknown key "mod"; nameward-cni has mode, socket, timeout, away, pins`},
		{"a key in other letters", `{"Mode":"best-effort"}`, usual, `unknown key "Mode"`},
		{"an unknown mode", `{"mode":"maybe"}`, usual, `mode is "maybe"; want "required" or "best-effort"`},
		{"a number", `{"timeout":10}`, usual, `timeout is 10; want a string`},
		{"no duration", `{"timeout":"10"}`, usual, `timeout is "10"; want a duration such as "10s"`},
		{"too short", `{"timeout":"1ms"}`, usual, `want a duration from 100ms to 2m0s`},
		{"too long", `{"timeout":"3m"}`, usual, `want a duration from 100ms to 2m0s`},
		{"a relative socket beside a good mode", `{"socket":"s","mode":"best-effort"}`, lenient, `socket is "s"; want an absolute path`},
		{"no object", `[]`, usual, "read the plugin's configuration"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseConfig([]byte(c.in))
			if got != c.want || (err == nil) != (c.err == "") || !strings.Contains(text(err), c.err) {
				t.Errorf("got %+v, %v; want %+v and an error with %q", got, err, c.want, c.err)
			}
			if entry, err := got.Entry(); err != nil {
				t.Errorf("Entry: %v", err)
			} else if again, err := ParseConfig(entry); err != nil || again != got {
				t.Errorf("the entry %s reads as %+v, %v; want %+v", entry, again, err, got)
			}
		})
	}
	if _, err := (Config{Socket: "/s", Timeout: time.Second}).Entry(); err == nil {
		t.Error("a configuration of no mode: got an entry, want an error")
	}
}

func TestAttachmentValidate(t *testing.T) {
	if err := attached.Validate(); err != nil {
		t.Errorf("a whole one: %v", err)
	}
	for field, change := range map[string]func(*Attachment){
		"containerID has":    func(a *Attachment) { a.ContainerID = "" },
		"containerID begins": func(a *Attachment) { a.ContainerID = "../x" },
		"netns":              func(a *Attachment) { a.Netns = "run/netns" },
		"namespace":          func(a *Attachment) { a.Namespace = "a b" },
		"name":               func(a *Attachment) { a.Name = "a/b" },
		"uid":                func(a *Attachment) { a.UID = "x\ny" },
		"interface":          func(a *Attachment) { a.Interface = "interface-name-16" },
		"ifIndex":            func(a *Attachment) { a.IfIndex = 0 },
		"addresses":          func(a *Attachment) { a.Addresses = make([]netip.Addr, maxAddresses+1) },
		"address ":           func(a *Attachment) { a.Addresses = []netip.Addr{netip.MustParseAddr("fe80::1%eth0")} },
		"address \"::ffff":   func(a *Attachment) { a.Addresses = []netip.Addr{netip.MustParseAddr("::ffff:1.2.3.4")} },
	} {
		a := attached
		change(&a)
		if err := a.Validate(); err == nil || !strings.HasPrefix(err.Error(), field) {
			t.Errorf("got %v, want an error that begins with %q", err, field)
		}
	}
}

// FuzzDecode: what is taken for a request has only values that can be true, and
// is the same when it is sent on.
func FuzzDecode(f *testing.F) {
	whole, err := json.Marshal(request{Version: Version, Attachment: &attached})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("add", whole)
	f.Add("del", []byte(`{"version":1,"containerID":"a"}`))
	f.Add("gc", []byte(`{"version":1,"valid":["a",null]}`))
	f.Add("status", []byte(`{"VERSION":1}`))
	f.Fuzz(func(t *testing.T, v string, body []byte) {
		q, err := decode(verb(v), body)
		if err != nil {
			return
		}
		if q.Attachment != nil && q.Attachment.Validate() != nil || q.Version != Version {
			t.Fatalf("decode(%q) took %+v", body, q)
		}
		sent, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decode(verb(v), sent)
		if err != nil || !cmp.Equal(q, again, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })) {
			t.Fatalf("decode(%q): got %+v, %v; want %+v", sent, again, err, q)
		}
	})
}
