// Package apiserver asks a Kubernetes API server the two things that an enforcer
// must not be trusted to say of itself: which node its token belongs to, and
// which addresses the pods of a node have.
//
// It knows the API. It must not know sessions, the stream's messages or DNS, and
// nothing else of the plugin may know the API. Both requests are asked for
// sessions only, never on the way of an answer.
package apiserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	authentication "k8s.io/client-go/kubernetes/typed/authentication/v1"
	core "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// requestTimeout bounds one request, waiting for its turn not included.
	requestTimeout = 10 * time.Second
	// parallel bounds the requests under way. When a replica starts, thousands
	// of enforcers come at once; the API server sets the pace, not a rate that
	// would be wrong for either a small cluster or a large one.
	parallel = 32
)

// Client is safe for concurrent use.
type Client struct {
	clock  func() time.Time
	http   *http.Client
	tokens authentication.TokenReviewInterface
	pods   core.PodInterface
	slots  chan struct{}

	mu       sync.Mutex
	listings map[string]*listing // by node; guarded by mu
	swept    time.Time           // when listings was last; guarded by mu
}

// New prepares a client; nothing is asked yet. An empty path means the service
// account of the pod that this process runs in.
func New(kubeconfig string, clock func() time.Time) (*Client, error) {
	config, err := load(kubeconfig)
	if err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	config.Timeout = requestTimeout
	config.QPS = -1 // slots bound what is under way
	config.UserAgent = "coredns-nameward"
	// Reviews go as JSON; lists of pods come smaller in the other format.
	config.ContentType = "application/json"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("prepare the API client: %w", err)
	}
	auth, err := authentication.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, fmt.Errorf("prepare the API client: %w", err)
	}
	objects, err := core.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, fmt.Errorf("prepare the API client: %w", err)
	}
	return &Client{
		clock:    clock,
		http:     client,
		tokens:   auth.TokenReviews(),
		pods:     objects.Pods(""),
		slots:    make(chan struct{}, parallel),
		listings: make(map[string]*listing),
	}, nil
}

func load(kubeconfig string) (*rest.Config, error) {
	if kubeconfig != "" {
		config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
		if err != nil {
			return nil, fmt.Errorf("read kubeconfig %s: %w", kubeconfig, err)
		}
		return config, nil
	}
	config, err := rest.InClusterConfig()
	if errors.Is(err, rest.ErrNotInCluster) {
		return nil, errors.New("this process is in no pod of a cluster; want kubeconfig FILE")
	}
	if err != nil {
		return nil, fmt.Errorf("use the pod's service account: %w; mount its token, or want kubeconfig FILE", err)
	}
	return config, nil
}

// Close lets go of idle connections. The client may still be used.
func (c *Client) Close() { utilnet.CloseIdleConnectionsFor(c.http.Transport) }

// turn waits for one of the slots; the caller gives it back with release.
func (c *Client) turn(ctx context.Context) (release func(), err error) {
	select {
	case c.slots <- struct{}{}:
		return func() { <-c.slots }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for %d other requests to the API server: %w", parallel, ctx.Err())
	}
}
