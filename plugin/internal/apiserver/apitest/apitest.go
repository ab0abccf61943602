// Package apitest is the part of a Kubernetes API server that the plugin asks,
// for tests: HTTPS, a bearer token, and the API's own JSON. It knows tokens and
// pods as the test tells it, and nothing of who asks.
package apitest

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	authentication "k8s.io/api/authentication/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// own is the token of CoreDNS's service account.
const own = "the-plugin's-own"

// Token is what the server knows of one token.
type Token struct {
	Account   string // such as system:serviceaccount:kube-system:nameward
	Audiences []string
	Node      string // "": the token is bound to no pod
	// Blind is a server that does not check audiences.
	Blind bool
}

// Server is safe for concurrent use.
type Server struct {
	tb   testing.TB
	http *httptest.Server

	mu      sync.Mutex
	tokens  map[string]Token
	pods    []core.Pod
	down    bool
	reviews int
	lists   int
}

// Start serves until the test ends.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{tb: tb, tokens: make(map[string]Token)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /apis/authentication.k8s.io/v1/tokenreviews", s.review)
	mux.HandleFunc("GET /api/v1/pods", s.list)
	s.http = httptest.NewTLSServer(s.admit(mux))
	tb.Cleanup(s.http.Close)
	return s
}

// Kubeconfig writes a file that leads to the server.
func (s *Server) Kubeconfig() string {
	s.tb.Helper()
	dir := s.tb.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw})
	s.write(filepath.Join(dir, "ca.crt"), ca)
	path := filepath.Join(dir, "kubeconfig")
	s.write(path, fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: test
contexts: [{name: test, context: {cluster: test, user: coredns}}]
clusters: [{name: test, cluster: {server: %q, certificate-authority: ca.crt}}]
users: [{name: coredns, user: {token: %q}}]
`, s.http.URL, own))
	return path
}

func (s *Server) write(path string, content []byte) {
	s.tb.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		s.tb.Fatal(err)
	}
}

// Accept makes a token known.
func (s *Server) Accept(token string, t Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token] = t
}

// Run replaces all pods.
func (s *Server) Run(pods ...core.Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pods = pods
}

// Fail makes every request fail, or lets them succeed again.
func (s *Server) Fail(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// Reviews and Lists count the requests.
func (s *Server) Reviews() int { s.mu.Lock(); defer s.mu.Unlock(); return s.reviews }

// Lists counts requests for pods.
func (s *Server) Lists() int { s.mu.Lock(); defer s.mu.Unlock(); return s.lists }

// Pod makes a running pod.
func Pod(node string, ips ...string) core.Pod {
	p := core.Pod{
		ObjectMeta: meta.ObjectMeta{Namespace: "default", Name: "pod-" + strings.NewReplacer(".", "-", ":", "-").Replace(ips[0])},
		Spec:       core.PodSpec{NodeName: node},
		Status:     core.PodStatus{Phase: core.PodRunning},
	}
	for _, ip := range ips {
		p.Status.PodIPs = append(p.Status.PodIPs, core.PodIP{IP: ip})
	}
	return p
}

// Awaiting makes a pod that has no address yet, bound to its node at that time.
func Awaiting(node, name string, bound time.Time) core.Pod {
	return core.Pod{
		ObjectMeta: meta.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("uid-of-" + name), CreationTimestamp: meta.NewTime(bound.Add(-time.Hour))},
		Spec:       core.PodSpec{NodeName: node},
		Status: core.PodStatus{Phase: core.PodPending, Conditions: []core.PodCondition{
			{Type: core.PodScheduled, Status: core.ConditionTrue, LastTransitionTime: meta.NewTime(bound)},
		}},
	}
}

func (s *Server) admit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case s.down:
			fail(w, http.StatusServiceUnavailable, meta.StatusReasonServiceUnavailable)
		case r.Header.Get("Authorization") != "Bearer "+own:
			fail(w, http.StatusUnauthorized, meta.StatusReasonUnauthorized)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func fail(w http.ResponseWriter, code int, why meta.StatusReason) {
	reply(w, code, &meta.Status{
		TypeMeta: meta.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   meta.StatusFailure, Reason: why, Code: int32(code), Message: string(why),
	})
}

func reply(w http.ResponseWriter, code int, object any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(object)
}

// review answers as kube-apiserver's token authenticator does.
func (s *Server) review(w http.ResponseWriter, r *http.Request) {
	s.reviews++
	var review authentication.TokenReview
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
		fail(w, http.StatusBadRequest, meta.StatusReasonBadRequest)
		return
	}
	review.Status = s.judge(review.Spec)
	reply(w, http.StatusCreated, &review)
}

func (s *Server) judge(spec authentication.TokenReviewSpec) (status authentication.TokenReviewStatus) {
	t, ok := s.tokens[spec.Token]
	if !ok {
		return authentication.TokenReviewStatus{Error: "[invalid bearer token, service account token has been invalidated]"}
	}
	both := slices.DeleteFunc(slices.Clone(spec.Audiences), func(a string) bool { return !slices.Contains(t.Audiences, a) })
	if len(both) == 0 && !t.Blind {
		return authentication.TokenReviewStatus{
			Error: fmt.Sprintf("[invalid bearer token, token audiences %q is invalid for the target audiences %q]", t.Audiences, spec.Audiences),
		}
	}
	status.Authenticated, status.User.Username = true, t.Account
	if !t.Blind {
		status.Audiences = both
	}
	if t.Node != "" {
		status.User.Extra = map[string]authentication.ExtraValue{"authentication.kubernetes.io/node-name": {t.Node}}
	}
	return status
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	s.lists++
	out := core.PodList{TypeMeta: meta.TypeMeta{Kind: "PodList", APIVersion: "v1"}}
	for _, p := range s.pods {
		if selected(r.URL.Query().Get("fieldSelector"), p) {
			out.Items = append(out.Items, p)
		}
	}
	reply(w, http.StatusOK, &out)
}

// selected knows the selectors of a node and of phases to leave out.
func selected(selector string, p core.Pod) bool {
	for _, term := range strings.Split(selector, ",") {
		node, isNode := strings.CutPrefix(term, "spec.nodeName=")
		phase, isPhase := strings.CutPrefix(term, "status.phase!=")
		if isNode && p.Spec.NodeName != node || isPhase && string(p.Status.Phase) == phase {
			return false
		}
		if term != "" && !isNode && !isPhase {
			return false
		}
	}
	return true
}
