package apiserver

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/nameward/nameward/plugin/internal/apiserver/apitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clock) Advance(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.now = c.now.Add(d) }

const (
	account  = "system:serviceaccount:kube-system:nameward"
	audience = "nameward.example"
)

func started(t *testing.T) (*Client, *apitest.Server, *clock) {
	t.Helper()
	server, c := apitest.Start(t), &clock{now: time.Unix(1_700_000_000, 0)}
	client, err := New(server.Kubeconfig(), c.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client, server, c
}

// TestTokens proves N16: a token names a node only if all of it is right.
func TestTokens(t *testing.T) {
	client, server, _ := started(t)
	for name, token := range map[string]apitest.Token{
		"a.good.one":    {Account: account, Audiences: []string{audience}, Node: "node-a"},
		"a.wide.one":    {Account: account, Audiences: []string{"other", audience}, Node: "node-b"},
		"for.the.api":   {Account: account, Audiences: []string{"https://kubernetes.default.svc"}, Node: "node-a"},
		"of.another.sa": {Account: "system:serviceaccount:default:web", Audiences: []string{audience}, Node: "node-a"},
		"of.no.pod":     {Account: account, Audiences: []string{audience}},
		"of.a.user":     {Account: "jane", Audiences: []string{audience}, Node: "node-a"},
		"un.checked.is": {Account: account, Node: "node-a", Blind: true},
	} {
		server.Accept(name, token)
	}
	// What is no token at all costs the API server nothing.
	tests := []struct {
		name, token, node string
		code              codes.Code
		says              string
		reviews           int
	}{
		{"a token of the account for the audience, of a pod", "a.good.one", "node-a", codes.OK, "", 1},
		{"a token for several audiences", "a.wide.one", "node-b", codes.OK, "", 1},
		{"a token for another audience", "for.the.api", "", codes.Unauthenticated, `invalid for the target audiences ["nameward.example"]`, 1},
		{"a token of another service account", "of.another.sa", "", codes.PermissionDenied, "the token is of system:serviceaccount:default:web; want one of " + account, 1},
		{"a token that is bound to no pod", "of.no.pod", "", codes.PermissionDenied, "names no node; want a projected token", 1},
		{"a user", "of.a.user", "", codes.PermissionDenied, "the token is of jane", 1},
		{"an API server that knows no audiences", "un.checked.is", "", codes.Unauthenticated, `not for audience "nameward.example"`, 1},
		{"a token that nobody issued", "not.a.one", "", codes.Unauthenticated, "does not accept the token", 1},
		{"a password", "secret", "", codes.Unauthenticated, "no service-account token", 0},
		{"a megabyte", strings.Repeat("a.b.", 1<<18), "", codes.Unauthenticated, "no service-account token", 0},
	}
	tokens := client.Tokens(audience, "kube-system", "nameward")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := server.Reviews()
			for range 2 { // the second time from memory
				node, err := tokens.Node(t.Context(), tt.token)
				if node != tt.node || status.Code(err) != tt.code || err != nil && !strings.Contains(err.Error(), tt.says) {
					t.Errorf("got %q and %v, want %q, %v and %q", node, err, tt.node, tt.code, tt.says)
				}
			}
			if got := server.Reviews() - before; got != tt.reviews {
				t.Errorf("asked %d times, want %d", got, tt.reviews)
			}
		})
	}
}

// TestTokensAreForgotten proves N16 for a pod that is gone: its token works for
// a minute more at most, and a server that is away admits nobody new.
func TestTokensAreForgotten(t *testing.T) {
	client, server, clock := started(t)
	tokens := client.Tokens(audience, "kube-system", "nameward")
	server.Accept("a.good.one", apitest.Token{Account: account, Audiences: []string{audience}, Node: "node-a"})
	if _, err := tokens.Node(t.Context(), "a.good.one"); err != nil {
		t.Fatal(err)
	}
	server.Fail(true)
	if _, err := tokens.Node(t.Context(), "a.good.one"); err != nil {
		t.Errorf("within the minute: got %v, want none", err)
	}
	clock.Advance(acceptedFor)
	_, err := tokens.Node(t.Context(), "a.good.one")
	if code := status.Code(err); code != codes.Unknown {
		t.Errorf("without the server: got %v, want an error that is no refusal", err)
	}
	server.Fail(false)
	if _, err := tokens.Node(t.Context(), "a.good.one"); err != nil {
		t.Errorf("with the server back: got %v, want none: a failure is not remembered", err)
	}
}

// TestVerdictsAreBounded: whoever reaches the port can make up tokens.
func TestVerdictsAreBounded(t *testing.T) {
	c := &clock{now: time.Unix(1_700_000_000, 0)}
	tokens := (&Client{clock: c.Now}).Tokens(audience, "kube-system", "nameward")
	for i := range 3 * maxVerdicts {
		var key [32]byte
		copy(key[:], fmt.Sprint(i))
		tokens.remember(key, verdict{until: c.Now().Add(acceptedFor)})
		if n := len(tokens.verdicts); n > maxVerdicts {
			t.Fatalf("remembers %d verdicts, want at most %d", n, maxVerdicts)
		}
	}
}

// TestAddresses proves N16, P16 and P17: which addresses are those of a node's pods.
func TestAddresses(t *testing.T) {
	client, server, clock := started(t)
	host := apitest.Pod("node-a", "192.0.2.1")
	host.Spec.HostNetwork = true
	done, failed := apitest.Pod("node-a", "10.0.0.8"), apitest.Pod("node-a", "10.0.0.9")
	done.Status.Phase, failed.Status.Phase = core.PodSucceeded, core.PodFailed
	pending := apitest.Pod("node-a", "10.0.0.7")
	pending.Status.PodIPs = nil
	server.Run(apitest.Pod("node-a", "10.0.0.1", "2001:db8::1"), apitest.Pod("node-b", "10.0.1.1"), apitest.Pod("node-a", "10.0.0.2"), host, done, failed, pending)
	list := func() string {
		got, _, err := client.Pods(t.Context(), "node-a")
		if err != nil {
			return err.Error()
		}
		return fmt.Sprint(slices.SortedFunc(maps.Keys(got), netip.Addr.Compare))
	}
	if got, want := list(), "[10.0.0.1 10.0.0.2 2001:db8::1]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	server.Run(apitest.Pod("node-a", "10.0.0.3"))
	if list(); server.Lists() != 1 {
		t.Errorf("asked %d times at once, want 1", server.Lists())
	}
	clock.Advance(spacing)
	if got, want := list(), "[10.0.0.3]"; got != want {
		t.Errorf("a moment later: got %s, want %s", got, want)
	}
	clock.Advance(spacing)
	server.Fail(true)
	if got, want := list(), "list the pods of node node-a"; !strings.Contains(got, want) {
		t.Errorf("without the server: got %s, want %s", got, want)
	}
	clock.Advance(2 * forgetAfter)
	client.listing("node-z")
	if n := len(client.listings); n != 1 {
		t.Errorf("keeps %d listings, want that of the present node", n)
	}
}

// TestListsComeInBursts: pods start together, and a node that asks for ever costs
// the API server two lists a second.
func TestListsComeInBursts(t *testing.T) {
	client, server, clock := started(t)
	ask := func(times int, every time.Duration) int {
		before := server.Lists()
		for range times {
			clock.Advance(every)
			if _, _, err := client.Pods(t.Context(), "node-a"); err != nil {
				t.Fatal(err)
			}
		}
		return server.Lists() - before
	}
	if got := ask(burst+3, time.Millisecond); got != burst {
		t.Errorf("at once: %d lists, want %d", got, burst)
	}
	clock.Advance(spacing)
	if got := ask(3, time.Millisecond); got != 1 {
		t.Errorf("a while later: %d lists, want 1", got)
	}
	clock.Advance(time.Hour)
	if got := ask(burst+3, time.Millisecond); got != burst {
		t.Errorf("an hour later: %d lists at once, want %d", got, burst)
	}
	if got := ask(200, spacing/10); got > 21 {
		t.Errorf("asked all the time: %d lists in %v, want at most 21", got, 20*spacing)
	}
}

// TestAwaiting proves N16: which of a node's pods are about to get an address.
func TestAwaiting(t *testing.T) {
	type edit func(p *core.Pod, now time.Time)
	at := func(ago time.Duration) edit {
		return func(p *core.Pod, now time.Time) {
			p.Status.Conditions[0].LastTransitionTime = meta.NewTime(now.Add(-ago))
		}
	}
	made := func(ago time.Duration) edit {
		return func(p *core.Pod, now time.Time) {
			p.Status.Conditions, p.CreationTimestamp = nil, meta.NewTime(now.Add(-ago))
		}
	}
	tests := []struct {
		name string
		edit edit
		want string
	}{
		{"a pod that was just bound, however long after it was made", at(0), "[uid-of-web]"},
		{"a pod that was bound a minute ago", at(awaitingFor), "[uid-of-web]"},
		{"a pod that was bound a minute ahead of this clock", at(-awaitingFor), "[uid-of-web]"},
		{"a pod that was bound longer ago", at(awaitingFor + time.Second), "[]"},
		{"a pod of the far future", at(-awaitingFor - time.Second), "[]"},
		{"a pod that no scheduler bound, just made", made(0), "[uid-of-web]"},
		{"a pod that no scheduler bound, made longer ago", made(awaitingFor + time.Second), "[]"},
		{"a pod that could not be scheduled at first, just made", func(p *core.Pod, now time.Time) {
			p.Status.Conditions[0].Status, p.Status.Conditions[0].LastTransitionTime = core.ConditionFalse, meta.NewTime(now.Add(-time.Hour))
			p.CreationTimestamp = meta.NewTime(now)
		}, "[uid-of-web]"},
		{"a pod with an address", func(p *core.Pod, _ time.Time) { p.Status.PodIPs = []core.PodIP{{IP: "10.0.0.1"}} }, "[]"},
		{"a pod of another node", func(p *core.Pod, _ time.Time) { p.Spec.NodeName = "node-b" }, "[]"},
		{"a pod on the host's network", func(p *core.Pod, _ time.Time) { p.Spec.HostNetwork = true }, "[]"},
		{"a pod that has succeeded", func(p *core.Pod, _ time.Time) { p.Status.Phase = core.PodSucceeded }, "[]"},
		{"a pod that has failed", func(p *core.Pod, _ time.Time) { p.Status.Phase = core.PodFailed }, "[]"},
		{"a pod that is being deleted", func(p *core.Pod, now time.Time) { p.DeletionTimestamp = &meta.Time{Time: now} }, "[]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Unix(1_700_000_000, 0)
			pod := apitest.Awaiting("node-a", "web", now)
			tt.edit(&pod, now)
			c := census{addresses: make(map[netip.Addr]struct{})}
			c.note(&pod, "node-a", now)
			if got := fmt.Sprint(c.awaiting); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestAwaitingIsListed proves N16: what the list says of such a pod arrives.
func TestAwaitingIsListed(t *testing.T) {
	client, server, clock := started(t)
	server.Run(apitest.Awaiting("node-a", "web", clock.Now()), apitest.Awaiting("node-b", "other", clock.Now()), apitest.Pod("node-a", "10.0.0.1"))
	addresses, awaiting, err := client.Pods(t.Context(), "node-a")
	if err != nil || len(addresses) != 1 || fmt.Sprint(awaiting) != "[uid-of-web]" {
		t.Errorf("got %v, %v and %v; want 10.0.0.1 and the one pod", addresses, awaiting, err)
	}
}

// TestNewErrors proves S5: what is missing, and what would be right.
func TestNewErrors(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	junk := filepath.Join(t.TempDir(), "junk")
	if err := os.WriteFile(junk, []byte("junk: ["), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		"":      "want kubeconfig FILE",
		"/none": "read kubeconfig /none: stat /none",
		junk:    "read kubeconfig " + junk,
	} {
		if _, err := New(path, time.Now); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v, want %q", path, err, says)
		}
	}
}
