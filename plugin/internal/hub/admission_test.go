package hub

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/nameward/nameward/plugin/internal/apiserver"
	"github.com/nameward/nameward/plugin/internal/apiserver/apitest"
	"github.com/nameward/nameward/plugin/internal/enforcertest"
	"github.com/nameward/nameward/plugin/stream"
)

// book is a logger that a test reads.
type book struct {
	mu    sync.Mutex
	lines []string
}

func (b *book) write(format string, v ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, fmt.Sprintf(format, v...))
}

func (b *book) Infof(format string, v ...any)    { b.write(format, v...) }
func (b *book) Warningf(format string, v ...any) { b.write(format, v...) }
func (b *book) Errorf(format string, v ...any)   { b.write(format, v...) }

func (b *book) says(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Contains(strings.Join(b.lines, "\n"), text)
}

const (
	account  = "system:serviceaccount:kube-system:nameward"
	audience = "nameward"
)

// remote is a hub on TCP with a client of a real API server's protocol.
type remote struct {
	*Hub
	authority *enforcertest.Authority
	api       *apitest.Server
	log       *book
	time      *clock
	lease     *Lease
	target    string
}

// how the hub tells who connects.
type how struct{ tokens, pods bool }

func newRemote(t *testing.T, how how) *remote {
	t.Helper()
	r := &remote{authority: enforcertest.NewAuthority(t), api: apitest.Start(t), log: &book{}, time: newClock()}
	client, err := apiserver.New(r.api.Kubeconfig(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, ca := r.authority.Write(t.TempDir(), "coredns")
	access := &Access{}
	if how.tokens {
		access.Tokens, ca = client.Tokens(audience, "kube-system", "nameward"), ""
	}
	if how.pods {
		access.Pods = client
	}
	if access.Certificates, err = LoadCertificates(cert, key, ca); err != nil {
		t.Fatal(err)
	}
	r.Hub = New(r.time.Now, r.log)
	r.SetJournal(256)
	if r.lease, err = r.Open(Endpoint{Network: "tcp", Address: "127.0.0.1:0"}, access); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.lease.Release(); client.Close() })
	r.target = r.lease.Addr().String()
	return r
}

// refusal is what an enforcer gets that says it is of node-a.
func (r *remote) refusal(t *testing.T, options ...grpc.DialOption) error {
	t.Helper()
	e := enforcertest.Connect(t, r.target, options...)
	e.Offer(enforcertest.Hello(&stream.Hello{Version: stream.Version, Node: "node-a"}))
	return e.Refusal()
}

// shows dials with a certificate that says claims.
func (r *remote) shows(signer *enforcertest.Authority, claims enforcertest.Claims) []grpc.DialOption {
	return []grpc.DialOption{grpc.WithTransportCredentials(credentials.NewTLS(r.authority.ClientWith(signer, claims)))}
}

// TestCertificateNamesTheNode proves N16: who shows a certificate is of the node
// that it names, and of no other.
func TestCertificateNamesTheNode(t *testing.T) {
	r := newRemote(t, how{})
	claim := func(name string, uris ...string) []grpc.DialOption {
		return r.shows(r.authority, enforcertest.Claims{CommonName: name, URIs: uris})
	}
	for name, options := range map[string][]grpc.DialOption{
		"the kubelet's form":           claim("system:node:node-a"),
		"a SPIFFE ID":                  claim("", "spiffe://example.org/node/node-a"),
		"a SPIFFE ID with more before": claim("nameward", "spiffe://example.org/cluster/one/node/node-a"),
		"both, of one node":            claim("system:node:node-a", "spiffe://example.org/node/node-a", "https://example.org/"),
	} {
		t.Run(name, func(t *testing.T) { enforcertest.Dial(t, r.target, "node-a", options...).Close() })
	}
	stranger := enforcertest.NewAuthority(t)
	tests := []struct {
		name    string
		options []grpc.DialOption
		code    codes.Code
		says    string
		why     Reason
	}{
		{"another node", claim("system:node:node-b"), codes.PermissionDenied,
			`Hello.node is "node-a", but the certificate is of node "node-b"; start the enforcer with --node node-b, or with a certificate of node node-a`, ReasonIdentity},
		{"no node", claim("enforcer"), codes.PermissionDenied, `the certificate of "CN=enforcer" names no node; want a URI SAN spiffe://TRUST-DOMAIN/node/NAME or the common name system:node:NAME`, ReasonIdentity},
		{"an empty node", claim("system:node:", "spiffe://example.org/node/"), codes.PermissionDenied, "names no node", ReasonIdentity},
		{"a SPIFFE ID that goes on", claim("", "spiffe://example.org/node/node-a/pod"), codes.PermissionDenied, "names no node", ReasonIdentity},
		{"an escaped separator", claim("", "spiffe://example.org/x%2Fnode%2Fnode-a", "spiffe://example.org/node/node-a%2Fx"), codes.PermissionDenied, "names no node", ReasonIdentity},
		{"a URI of another scheme", claim("", "https://example.org/node/node-a"), codes.PermissionDenied, "names no node", ReasonIdentity},
		{"a SPIFFE ID without trust domain", claim("", "spiffe:///node/node-a"), codes.PermissionDenied, "names no node", ReasonIdentity},
		{"two nodes", claim("system:node:node-b", "spiffe://example.org/node/node-a"), codes.PermissionDenied, "names the nodes node-a, node-b; want one", ReasonIdentity},
		{"a node of another authority", r.shows(stranger, enforcertest.Claims{CommonName: "system:node:node-a"}), codes.Unavailable, "", ReasonHandshake},
		{"a certificate that has expired", r.shows(r.authority, enforcertest.Claims{CommonName: "system:node:node-a", NotAfter: time.Now().Add(-time.Minute)}), codes.Unavailable, "", ReasonHandshake},
		{"no certificate", []grpc.DialOption{r.authority.DialOption(nil)}, codes.Unavailable, "", ReasonHandshake},
		{"a token instead", r.authority.Token("a.good.one"), codes.Unavailable, "", ReasonHandshake},
		{"plain TCP", nil, codes.Unavailable, "", ReasonHandshake},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := r.Stats().Refused.Of(tt.why)
			err := r.refusal(t, tt.options...)
			if status.Code(err) != tt.code || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("refused with %v, want %v and %q", err, tt.code, tt.says)
			}
			enforcertest.Await(t, "the refusal is counted", func() bool { return r.Stats().Refused.Of(tt.why) > before })
		})
	}
	if !r.log.says(`Hello.node is "node-a", but the certificate is of node "node-b"`) {
		t.Error("the log does not say what was refused")
	}
	enforcertest.Await(t, "nobody is left", func() bool { return r.Sessions() == 0 })
}

// TestTokenNamesTheNode proves N16 for tokens, through a TokenReview.
func TestTokenNamesTheNode(t *testing.T) {
	r := newRemote(t, how{tokens: true})
	for name, token := range map[string]apitest.Token{
		"a.good.one":    {Account: account, Audiences: []string{audience}, Node: "node-a"},
		"of.another.it": {Account: account, Audiences: []string{audience}, Node: "node-b"},
		"for.the.api":   {Account: account, Audiences: []string{"api"}, Node: "node-a"},
		"of.the.web":    {Account: "system:serviceaccount:default:web", Audiences: []string{audience}, Node: "node-a"},
		"of.no.pod":     {Account: account, Audiences: []string{audience}},
	} {
		r.api.Accept(name, token)
	}
	enforcertest.Dial(t, r.target, "node-a", r.authority.Token("a.good.one")...).Close()
	tests := []struct {
		name    string
		options []grpc.DialOption
		code    codes.Code
		says    string
	}{
		{"another node", r.authority.Token("of.another.it"), codes.PermissionDenied, `the token is of node "node-b"; start the enforcer with --node node-b, or with a token of node node-a`},
		{"another audience", r.authority.Token("for.the.api"), codes.Unauthenticated, `want a projected token for audience "nameward"`},
		{"another service account", r.authority.Token("of.the.web"), codes.PermissionDenied, "want one of " + account},
		{"no node", r.authority.Token("of.no.pod"), codes.PermissionDenied, "names no node"},
		{"not issued", r.authority.Token("not.a.one"), codes.Unauthenticated, "does not accept the token"},
		{"no token", []grpc.DialOption{r.authority.DialOption(nil)}, codes.Unauthenticated, "no bearer token; start the enforcer with --token FILE"},
		{"a certificate instead", []grpc.DialOption{r.authority.Node("node-a")}, codes.Unauthenticated, "no bearer token"},
		{"plain TCP", nil, codes.Unavailable, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := r.refusal(t, tt.options...); status.Code(err) != tt.code || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("refused with %v, want %v and %q", err, tt.code, tt.says)
			}
		})
	}
}

// TestNobodyIsAdmittedWithoutTheAPI proves N16: an API server that cannot be
// asked admits nobody, and the enforcer is told to come again.
func TestNobodyIsAdmittedWithoutTheAPI(t *testing.T) {
	r := newRemote(t, how{tokens: true})
	r.api.Accept("a.good.one", apitest.Token{Account: account, Audiences: []string{audience}, Node: "node-a"})
	r.api.Fail(true)
	err := r.refusal(t, r.authority.Token("a.good.one")...)
	if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "the API server does not answer") {
		t.Errorf("refused with %v, want Unavailable", err)
	}
	if r.Stats().APIFailures.Reviews.Load() != 1 || r.Stats().Refused.Of(ReasonReview) != 1 || !r.log.says("needs to create tokenreviews") {
		t.Error("the failure is not counted and logged")
	}
	r.api.Fail(false)
	enforcertest.Dial(t, r.target, "node-a", r.authority.Token("a.good.one")...)
}

// TestSessionEndsWithItsProof proves N16: an expired certificate speaks for
// nobody, not even on a stream that began before.
func TestSessionEndsWithItsProof(t *testing.T) {
	t.Parallel()
	r := newRemote(t, how{})
	e := enforcertest.Dial(t, r.target, "node-a",
		r.shows(r.authority, enforcertest.Claims{CommonName: "system:node:node-a", NotAfter: time.Now().Add(2 * time.Second)})...)
	err := e.Ended()
	if status.Code(err) != codes.Unauthenticated || !strings.Contains(err.Error(), "the certificate with which the session began has had its time") {
		t.Errorf("ended with %v", err)
	}
}

// TestTokenSessionsHaveAnAge proves N16 for a token whose pod is gone.
func TestTokenSessionsHaveAnAge(t *testing.T) {
	r := newRemote(t, how{tokens: true})
	r.api.Accept("a.good.one", apitest.Token{Account: account, Audiences: []string{audience}, Node: "node-a"})
	enforcertest.Dial(t, r.target, "node-a", r.authority.Token("a.good.one")...)
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := range r.sessions {
		if left := time.Until(s.identity.until); left <= 0 || left > stream.MaxTokenSession {
			t.Errorf("the session has %v left, want at most %v", left, stream.MaxTokenSession)
		}
	}
	if len(r.sessions) != 1 {
		t.Errorf("got %d sessions, want 1", len(r.sessions))
	}
}
