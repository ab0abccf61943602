package apiserver

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	api "k8s.io/api/authentication/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// nodeNameKey is set for tokens of pods from Kubernetes 1.30 on (KEP-4193).
	nodeNameKey = "authentication.kubernetes.io/node-name"

	// An enforcer that loses its stream comes back with the same token; one
	// that is refused does so for as long as it runs.
	acceptedFor = time.Minute
	refusedFor  = 10 * time.Second
	// maxVerdicts bounds the memory to a few MB: three times as many as there
	// are nodes in the largest clusters.
	maxVerdicts = 16384
	// maxToken is generous: service-account tokens have a kilobyte or two.
	maxToken = 16 << 10
)

// Tokens reviews the tokens of one service account for one audience.
type Tokens struct {
	client            *Client
	audience, account string

	mu       sync.Mutex
	verdicts map[[sha256.Size]byte]verdict // by the token's hash: memory holds no token
}

// verdict is a definite answer of the API server.
type verdict struct {
	node  string
	err   error
	until time.Time
}

// Tokens returns a reviewer. Only tokens for audience, of the pods of the
// service account namespace/name, name a node.
func (c *Client) Tokens(audience, namespace, name string) *Tokens {
	return &Tokens{
		client:   c,
		audience: audience,
		account:  "system:serviceaccount:" + namespace + ":" + name,
		verdicts: make(map[[sha256.Size]byte]verdict),
	}
}

// Node returns the node of the pod that a token is bound to. A definite refusal
// is a gRPC status with code Unauthenticated or PermissionDenied, fit to be told
// to the peer. Any other error means that the API server could not be asked.
func (t *Tokens) Node(ctx context.Context, token string) (string, error) {
	if len(token) > maxToken || strings.Count(token, ".") != 2 {
		return "", status.Error(codes.Unauthenticated, "the bearer token is no service-account token")
	}
	key := sha256.Sum256([]byte(token))
	if v, ok := t.recall(key); ok {
		return v.node, v.err
	}
	node, err := t.review(ctx, token)
	switch status.Code(err) {
	case codes.OK:
		t.remember(key, verdict{node: node, until: t.client.clock().Add(acceptedFor)})
	case codes.Unauthenticated, codes.PermissionDenied:
		t.remember(key, verdict{err: err, until: t.client.clock().Add(refusedFor)})
	}
	return node, err
}

func (t *Tokens) recall(key [sha256.Size]byte) (verdict, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, ok := t.verdicts[key]
	return v, ok && t.client.clock().Before(v.until)
}

// remember makes room first, as whoever reaches the port can present any number
// of tokens: what has run out goes, and then whichever, so many at once that the
// next ones need not look again.
func (t *Tokens) remember(key [sha256.Size]byte, v verdict) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.verdicts) >= maxVerdicts {
		now := t.client.clock()
		for k, have := range t.verdicts {
			if !now.Before(have.until) {
				delete(t.verdicts, k)
			}
		}
		for k := range t.verdicts {
			if len(t.verdicts) <= maxVerdicts*7/8 {
				break
			}
			delete(t.verdicts, k)
		}
	}
	t.verdicts[key] = v
}

func (t *Tokens) review(ctx context.Context, token string) (string, error) {
	release, err := t.client.turn(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	review := &api.TokenReview{Spec: api.TokenReviewSpec{Token: token, Audiences: []string{t.audience}}}
	review, err = t.client.tokens.Create(ctx, review, meta.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("create a TokenReview: %w", err)
	}
	return t.judge(review.Status)
}

// judge reads what the API server says of a token.
func (t *Tokens) judge(s api.TokenReviewStatus) (string, error) {
	if !s.Authenticated {
		why := s.Error
		if why == "" {
			why = "it is not valid (any more)"
		}
		return "", status.Errorf(codes.Unauthenticated, "the API server does not accept the token: %s; want a projected token for audience %q", why, t.audience)
	}
	// An API server that does not check audiences returns none; then a token
	// made for somebody else would do.
	if !slices.Contains(s.Audiences, t.audience) {
		return "", status.Errorf(codes.Unauthenticated, "the token is not for audience %q", t.audience)
	}
	if s.User.Username != t.account {
		return "", status.Errorf(codes.PermissionDenied, "the token is of %s; want one of %s", s.User.Username, t.account)
	}
	nodes := s.User.Extra[nodeNameKey]
	if len(nodes) != 1 || nodes[0] == "" {
		return "", status.Error(codes.PermissionDenied, "the token names no node; want a projected token of a running pod, and Kubernetes 1.30 or newer")
	}
	return nodes[0], nil
}
