package nameward

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/dns64"
	_ "github.com/coredns/coredns/plugin/file"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/rewrite"
	_ "github.com/coredns/coredns/plugin/transfer"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"

	"github.com/nameward/nameward/plugin/internal/enforcertest"
	"github.com/nameward/nameward/plugin/stream"
)

// TestMain puts the plugin into the chain of this process, as a build does.
func TestMain(m *testing.M) {
	at := slices.Index(dnsserver.Directives, "local")
	if err := dnsserver.SetDirectives(slices.Insert(slices.Clone(dnsserver.Directives), at, pluginName)); err != nil {
		panic(err)
	}
	caddy.Quiet, dnsserver.Quiet = true, true
	goleak.VerifyTestMain(m,
		// The forward plugin's, which ends when the collector finds the proxy.
		goleak.IgnoreAnyFunction("github.com/coredns/coredns/plugin/pkg/proxy.(*Transport).connManager"),
	)
}

// server is a CoreDNS in this process.
type server struct {
	t        testing.TB
	instance *caddy.Instance
	socket   string // the plugin's endpoint
}

// start runs a Corefile in which SOCKET stands for the plugin's endpoint and
// PORT for a free port on every loopback address.
func start(t testing.TB, corefile string) *server {
	t.Helper()
	s := &server{t: t, socket: "unix://" + filepath.Join(t.TempDir(), "dns.sock")}
	instance, err := caddy.Start(s.input(corefile))
	if err != nil {
		t.Fatal(err)
	}
	s.instance = instance
	t.Cleanup(func() { stop(t, s.instance) })
	return s
}

// stop ends an instance once its servers run: what has not begun to serve yet
// would never be stopped.
func stop(t testing.TB, instance *caddy.Instance) {
	t.Helper()
	for _, listener := range instance.Servers() {
		if listener.LocalAddr() == nil {
			continue // an encrypted one; its tests ask it
		}
		for network, addr := range map[string]net.Addr{"udp": listener.LocalAddr(), "tcp": listener.Addr()} {
			_, port, err := net.SplitHostPort(addr.String())
			if err != nil {
				t.Fatal(err)
			}
			client := &dns.Client{Net: network, Timeout: 100 * time.Millisecond}
			enforcertest.Await(t, "the server answers", func() bool {
				_, _, err := client.Exchange(new(dns.Msg).SetQuestion("stop.invalid.", dns.TypeTXT), net.JoinHostPort("127.0.0.1", port))
				return err == nil
			})
		}
	}
	instance.Stop()
	for _, err := range instance.ShutdownCallbacks() {
		t.Error(err)
	}
	process.SetJournal(0) // forget, for the next test
}

func (s *server) input(corefile string) caddy.CaddyfileInput {
	corefile = strings.NewReplacer("SOCKET", s.socket, "PORT", "0").Replace(corefile)
	return caddy.CaddyfileInput{Filepath: "Corefile", Contents: []byte(corefile), ServerTypeName: "dns"}
}

// reload does what the reload plugin does, with another Corefile.
func (s *server) reload(corefile string) error {
	next, err := s.instance.Restart(s.input(corefile))
	if err == nil {
		s.instance = next
	}
	return err
}

func (s *server) enforcer(node string) *enforcertest.Enforcer {
	s.t.Helper()
	return enforcertest.Dial(s.t, s.socket, node)
}

// watch is an enforcer that watches clients, once the plugin knows it.
func (s *server) watch(patterns []string, clients ...string) *enforcertest.Enforcer {
	s.t.Helper()
	e := s.enforcer("node-a")
	before := process.Watched()
	for _, c := range clients {
		e.Watch(c, patterns...)
	}
	// One that comes and goes shows that the others' replay has begun, which the
	// answers of the test must not cross.
	e.Watch(nobody, "none.example")
	enforcertest.Await(s.t, "the watches are placed", func() bool { return process.Watched() == before+len(clients)+1 })
	e.Subscribe(&stream.Subscription{Removed: [][]byte{enforcertest.Bytes(nobody)}})
	enforcertest.Await(s.t, "the watches are alone", func() bool { return process.Watched() == before+len(clients) })
	return e
}

// nobody asks from this address.
const nobody = "127.255.255.254"

// query is one question from one pod: pods are addresses of the loopback net.
type query struct {
	client  string // default 127.0.0.1
	network string // default udp
	qtype   uint16 // default A
}

// reply is what came back, and when as far as the test's own events go.
type reply struct {
	msg *dns.Msg
	err error
}

// ask sends a question and returns where the reply will appear.
func (s *server) ask(name string, q query) <-chan reply {
	s.t.Helper()
	if q.client == "" {
		q.client = "127.0.0.1"
	}
	if q.qtype == 0 {
		q.qtype = dns.TypeA
	}
	to := s.server(q.network)
	client := &dns.Client{Net: q.network, Timeout: 20 * time.Second, Dialer: dialFrom(q.client, q.network)}
	out := make(chan reply, 1)
	go func() {
		m := new(dns.Msg).SetQuestion(name, q.qtype)
		m.SetEdns0(4096, false)
		got, _, err := client.Exchange(m, to)
		out <- reply{got, err}
	}()
	return out
}

// server is where the first server block answers.
func (s *server) server(network string) string {
	s.t.Helper()
	listener := s.instance.Servers()[0]
	to := listener.LocalAddr()
	if network == "tcp" {
		to = listener.Addr()
	}
	_, port, err := net.SplitHostPort(to.String())
	if err != nil {
		s.t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", port)
}

// dialFrom dials from a pod's address.
func dialFrom(client, network string) *net.Dialer {
	if network == "tcp" {
		return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(client)}}
	}
	return &net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(client)}}
}

// expect waits for a reply and compares its code and its addresses.
func (s *server) expect(r <-chan reply, want string) {
	s.t.Helper()
	got := <-r
	if got.err != nil {
		s.t.Fatal(got.err)
	}
	if text := describe(got.msg); text != want {
		s.t.Fatalf("got %q, want %q", text, want)
	}
}

func describe(m *dns.Msg) string {
	out := []string{dns.RcodeToString[m.Rcode]}
	for _, rr := range m.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			out = append(out, rr.A.String())
		case *dns.AAAA:
			out = append(out, rr.AAAA.String())
		}
	}
	return strings.Join(out, " ")
}

// upstream is a DNS server that knows the records it is given, by question.
type upstream struct {
	mu      sync.Mutex
	records map[string]string // guarded by mu
	asked   []string          // names, guarded by mu
	address string
}

func newUpstream(t testing.TB, records map[string]string) *upstream {
	t.Helper()
	u := &upstream{records: records}
	packets, stream := listenBoth(t)
	u.address = packets.LocalAddr().String()
	for _, s := range []*dns.Server{{PacketConn: packets, Handler: u}, {Listener: stream, Handler: u}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go s.ActivateAndServe()
		<-started
		t.Cleanup(func() { s.Shutdown() })
	}
	return u
}

// heard returns the names that it was asked for, in the order of the questions.
func (u *upstream) heard() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.asked)
}

// listenBoth finds a port that is free for UDP and for TCP.
func listenBoth(t testing.TB) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 100 {
		packets, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		stream, err := net.Listen("tcp", packets.LocalAddr().String())
		if err == nil {
			return packets, stream
		}
		packets.Close()
	}
	t.Fatal("no port is free for both UDP and TCP")
	return nil, nil
}

// ServeDNS implements dns.Handler.
func (u *upstream) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	u.mu.Lock()
	text, ok := u.records[strings.ToLower(r.Question[0].Name)]
	u.asked = append(u.asked, r.Question[0].Name)
	u.mu.Unlock()
	m := new(dns.Msg).SetReply(r)
	if !ok {
		m.Rcode = dns.RcodeNameError
	}
	for line := range strings.Lines(text) {
		rr, err := dns.NewRR(line)
		if err != nil {
			panic(fmt.Sprintf("record %q: %v", line, err))
		}
		if t := rr.Header().Rrtype; t == r.Question[0].Qtype || t == dns.TypeCNAME {
			m.Answer = append(m.Answer, rr)
		}
	}
	w.WriteMsg(m)
}

// forwarding is a Corefile with the plugin before an upstream.
func forwarding(u *upstream, words string, rest ...string) string {
	return fmt.Sprintf(".:PORT {\n nameward {\n  listen SOCKET\n  %s\n }\n forward . %s\n %s\n}\n",
		words, u.address, strings.Join(rest, "\n "))
}

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// counted reads a counter.
func counted(t testing.TB, c prometheus.Counter) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}
