package nameward

import (
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/nameward/nameward/plugin/internal/apiserver/apitest"
	"github.com/nameward/nameward/plugin/internal/enforcertest"
)

// TestReload proves N17: over a good reload and a bad one the stream, what was
// acknowledged and the journal live on.
func TestReload(t *testing.T) {
	u := newUpstream(t, map[string]string{
		"example.org.": organisation,
		"early.org.":   "early.org. 60 IN A 192.0.2.3",
		"late.org.":    "late.org. 60 IN A 192.0.2.4",
	})
	s := start(t, forwarding(u, "hold 5s servfail"))
	e := s.watch([]string{"example.org", "late.org"}, "127.0.0.1")
	first := s.ask("example.org.", query{})
	e.Ack(e.Learned().GetSeq(), 360*time.Second)
	s.expect(first, "NOERROR 192.0.2.1")
	s.expect(s.ask("early.org.", query{client: "127.0.0.2"}), "NOERROR 192.0.2.3")

	if err := s.reload(forwarding(u, "hold 4s servfail")); err != nil {
		t.Fatal(err)
	}
	s.expect(s.ask("example.org.", query{}), "NOERROR 192.0.2.1")
	bad := s.reload(forwarding(u, "holt 4s"))
	if bad == nil || !strings.Contains(bad.Error(), `Corefile:4 - Error during parsing: unknown word "holt"`) {
		t.Fatalf("got error %v, want one that names file, line and word", bad)
	}
	s.expect(s.ask("example.org.", query{}), "NOERROR 192.0.2.1")

	r := s.ask("late.org.", query{})
	m := e.Learned()
	if m.GetSeq() != 2 || m.GetName() != "late.org" {
		t.Errorf("learned %v, want late.org as the second message of the same session", m)
	}
	e.Ack(m.GetSeq(), time.Hour)
	s.expect(r, "NOERROR 192.0.2.4")
	e.Watch("127.0.0.2", "early.org")
	if m := e.Learned(); m.GetName() != "early.org" || !m.GetReplayed() {
		t.Errorf("learned %v, want early.org from the journal", m)
	}
}

// TestFailedStartLeavesNothing proves N17 for a Corefile that fails late, when
// the plugin's new instance has started already.
func TestFailedStartLeavesNothing(t *testing.T) {
	u := newUpstream(t, map[string]string{"example.org.": organisation})
	s := start(t, forwarding(u, "hold 5s servfail"))
	e := s.watch([]string{"example.org"}, "127.0.0.1")

	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	other := s.socket + ".other"
	corefile := strings.ReplaceAll(forwarding(u, "hold 5s\n listen "+other), ".:PORT", "dns://.:"+portOf(t, busy.Addr()))
	if s.reload(strings.Replace(corefile, "forward", "bind 127.0.0.1\n forward", 1)) == nil {
		t.Fatal("started on a port in use")
	}
	if _, err := os.Stat(strings.TrimPrefix(other, "unix://")); err == nil {
		t.Error("the endpoint of the Corefile that failed is still open")
	}
	r := s.ask("example.org.", query{})
	e.Ack(e.Learned().GetSeq(), time.Hour)
	s.expect(r, "NOERROR 192.0.2.1")
}

func portOf(t *testing.T, addr net.Addr) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// TestStreamsOutliveLameDuck: at the end of the process health's lame duck time
// comes between the two kinds of shutdown callbacks, and clients still ask.
func TestStreamsOutliveLameDuck(t *testing.T) {
	u := newUpstream(t, map[string]string{"example.org.": organisation})
	s := start(t, forwarding(u, "hold 5s servfail"))
	e := s.watch([]string{"example.org"}, "127.0.0.1")
	for _, callback := range s.instance.OnShutdown {
		if err := callback(); err != nil {
			t.Fatal(err)
		}
	}
	r := s.ask("example.org.", query{})
	e.Ack(e.Learned().GetSeq(), time.Hour)
	s.expect(r, "NOERROR 192.0.2.1")
}

// TestReady proves N13: ready exactly while enforcers can connect.
func TestReady(t *testing.T) {
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := probe.Addr().String()
	probe.Close()
	u := newUpstream(t, nil)
	s := start(t, forwarding(u, "", "ready "+address+" {\n monitor continuously\n }"))
	transport := &http.Transport{DisableKeepAlives: true}
	status := func() (int, string) {
		response, err := (&http.Client{Transport: transport}).Get("http://" + address + "/ready")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	if code, body := status(); code != http.StatusOK {
		t.Errorf("got %d %s, want 200", code, body)
	}
	handler := handlerOf(s.instance)
	handler.instance.release()
	if code, body := status(); code != http.StatusServiceUnavailable || !strings.Contains(body, pluginName) {
		t.Errorf("got %d %s, want 503 and the plugin's name", code, body)
	}
}

func handlerOf(i *caddy.Instance) *Nameward {
	i.StorageMu.RLock()
	defer i.StorageMu.RUnlock()
	return &Nameward{instance: i.Storage[instanceKey{}].(*instance)}
}

// TestMutualTLSEndToEnd proves N16 for TCP through a Corefile.
func TestMutualTLSEndToEnd(t *testing.T) {
	authority := enforcertest.NewAuthority(t)
	dir := t.TempDir()
	cert, key, ca := authority.Write(dir, "coredns")
	u := newUpstream(t, map[string]string{"example.org.": organisation})
	s := start(t, strings.Replace(forwarding(u, "hold 5s servfail\n tls "+cert+" "+key+" "+ca), "SOCKET", "tcp://127.0.0.1:0", 1))
	target := handlerOf(s.instance).instance.leases[0].Addr().String()
	expires := make(chan prometheus.Metric, 4)
	expiries{}.Collect(expires)
	var m dto.Metric
	if err := (<-expires).Write(&m); err != nil || m.GetLabel()[1].GetValue() != cert || m.GetGauge().GetValue() < float64(time.Now().Unix()) {
		t.Errorf("got %v and %v, want the end of %s", &m, err, cert)
	}
	e := enforcertest.Dial(t, target, "node-a", authority.DialOption(authority))
	e.Watch("127.0.0.1", "example.org")
	enforcertest.Await(t, "the watch is placed", func() bool { return process.Watched() == 1 })
	r := s.ask("example.org.", query{})
	e.Ack(e.Learned().GetSeq(), time.Hour)
	s.expect(r, "NOERROR 192.0.2.1")
}

// TestTokensEndToEnd proves N16 for tokens through a Corefile: who is of the node
// hears of its pods, and of nobody else's.
func TestTokensEndToEnd(t *testing.T) {
	authority, api := enforcertest.NewAuthority(t), apitest.Start(t)
	api.Accept("a.good.one", apitest.Token{Account: "system:serviceaccount:kube-system:nameward", Audiences: []string{"nameward"}, Node: "node-a"})
	api.Run(apitest.Pod("node-a", "127.0.0.1"), apitest.Pod("node-b", "127.0.0.2"))
	cert, key, _ := authority.Write(t.TempDir(), "coredns")
	u := newUpstream(t, map[string]string{"example.org.": organisation})
	words := "hold 5s servfail\n tls " + cert + " " + key + "\n authenticate token nameward kube-system/nameward\n verify_pods\n kubeconfig " + api.Kubeconfig()
	s := start(t, strings.Replace(forwarding(u, words), "SOCKET", "tcp://127.0.0.1:0", 1))
	target := handlerOf(s.instance).instance.leases[0].Addr().String()
	e := enforcertest.Dial(t, target, "node-a", authority.Token("a.good.one")...)
	for _, client := range []string{"127.0.0.1", "127.0.0.2"} {
		e.Watch(client, "example.org")
	}
	enforcertest.Await(t, "its own pod is watched", func() bool { return process.Watched() == 1 && process.Waiting() == 1 })
	s.expect(s.ask("example.org.", query{client: "127.0.0.2"}), "NOERROR 192.0.2.1")
	r := s.ask("example.org.", query{})
	e.Ack(e.Learned().GetSeq(), time.Hour)
	s.expect(r, "NOERROR 192.0.2.1")
}
