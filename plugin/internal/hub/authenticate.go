package hub

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/nameward/nameward/plugin/stream"
)

// Access is how a TCP endpoint tells who connects, and what they may ask for.
type Access struct {
	// Certificates are required. With a client authority in them, every peer has
	// to show a certificate of it.
	Certificates *Certificates
	// Tokens name the peer's node; nil: its certificate does.
	Tokens Tokens
	// Pods tell which addresses a node may watch; nil: that is taken on trust.
	Pods Pods
}

// Tokens say which node a bearer token belongs to.
type Tokens interface {
	// Node refuses with a gRPC status of code Unauthenticated or
	// PermissionDenied. Any other error means that the token cannot be judged now.
	Node(ctx context.Context, token string) (string, error)
}

// Pods tell of the pods of a node.
type Pods interface {
	// Pods returns the addresses that they have, and names for those pods that are
	// about to get theirs. Neither must change.
	Pods(ctx context.Context, node string) (addresses map[netip.Addr]struct{}, awaiting []string, err error)
}

const (
	// reviewTimeout bounds the wait for an API server.
	reviewTimeout = 5 * time.Second
	// refusalDelay is how long a peer waits for the refusal of its token: each
	// try costs the API server a request, and anybody can make up tokens.
	refusalDelay = time.Second
)

// guest is what the transport knows of a peer on TCP. It is the AuthInfo.
type guest struct {
	credentials.TLSInfo
	listener *listener
	visit    *visit // nil where the connection did not come through the door
}

// authenticate says who opened a stream, before a byte of it is read.
func (h *Hub) authenticate(ctx context.Context) (identity, error) {
	from, ok := peer.FromContext(ctx)
	if !ok {
		return identity{}, status.Error(codes.Unauthenticated, "unknown peer")
	}
	switch info := from.AuthInfo.(type) {
	case peerInfo:
		return identity{}, nil
	case guest:
		access := info.listener.access.Load()
		if access.Tokens == nil {
			return identityOfCertificate(info.State)
		}
		return h.identityOfToken(ctx, access.Tokens)
	default:
		return identity{}, status.Error(codes.Unauthenticated, "the peer has proven nothing")
	}
}

func (h *Hub) identityOfToken(ctx context.Context, tokens Tokens) (identity, error) {
	token, err := bearer(ctx)
	if err != nil {
		return identity{}, err
	}
	bounded, cancel := context.WithTimeout(ctx, reviewTimeout)
	defer cancel()
	node, err := tokens.Node(bounded, token)
	switch status.Code(err) {
	case codes.OK:
		// A token is valid for as long as its pod lives, which only the API server
		// knows; so it is asked anew for a new session.
		life := stream.MaxTokenSession - rand.N(stream.MaxTokenSession/10)
		return identity{node: node, proof: "token", until: time.Now().Add(life)}, nil
	case codes.Unauthenticated, codes.PermissionDenied:
		select {
		case <-time.After(refusalDelay):
		case <-ctx.Done():
		}
		return identity{}, err
	default:
		h.stats.APIFailures.Reviews.Add(1)
		if ctx.Err() == nil {
			h.quiet.Errorf("cannot review the token of an enforcer: %v; the plugin's account needs to create tokenreviews", err)
		}
		return identity{}, status.Error(codes.Unavailable, "the token cannot be reviewed now, as the API server does not answer; see the log of CoreDNS")
	}
}

// bearer reads the token from the request's metadata, as RFC 6750 has it.
func bearer(ctx context.Context) (string, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	values := md.Get("authorization")
	if len(values) == 1 {
		if scheme, token, ok := strings.Cut(values[0], " "); ok && strings.EqualFold(scheme, "bearer") && token != "" {
			return token, nil
		}
	}
	return "", status.Error(codes.Unauthenticated, "no bearer token; start the enforcer with --token FILE")
}

// podsOf is what verifies the addresses that a peer watches, nil if nothing does.
func podsOf(ctx context.Context) Pods {
	if from, ok := peer.FromContext(ctx); ok {
		if g, ok := from.AuthInfo.(guest); ok {
			return g.listener.access.Load().Pods
		}
	}
	return nil
}

// origin names a peer's address in a message; on a unix socket it has none.
func origin(ctx context.Context) string {
	if from, ok := peer.FromContext(ctx); ok {
		if _, ok := from.AuthInfo.(guest); ok {
			return " from " + from.Addr.String()
		}
	}
	return ""
}

// depart tells the door what became of the peer's connection.
func depart(ctx context.Context, admitted bool) {
	from, ok := peer.FromContext(ctx)
	if !ok {
		return
	}
	g, ok := from.AuthInfo.(guest)
	if !ok || g.visit == nil {
		return
	}
	if admitted {
		g.visit.admitted()
	} else {
		g.visit.refused()
	}
}
