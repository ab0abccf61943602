// Package removal takes the enforcers of a cluster off their nodes, so that an
// uninstallation leaves nothing: it gives the DaemonSet pods that undo what
// enforcers did, waits until every node has had one, and deletes the Leases that
// enforcers leave in their namespace.
//
// It knows one DaemonSet and how the API server rolls it out. It must not know
// what there is to undo on a node, which is in the pods' template, or what Leases
// say.
package removal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	apps "k8s.io/api/apps/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// ErrUnfinished says that some nodes have not been reached; those still filter.
var ErrUnfinished = errors.New("not every node is done")

// requestTimeout bounds one request.
const requestTimeout = 10 * time.Second

// Cluster is where the DaemonSet is.
type Cluster struct {
	http *http.Client
	base *url.URL
	log  *slog.Logger
	// pace is the time between two looks at the rollout.
	pace time.Duration
}

// New prepares requests to the API server that kubeconfig leads to, or to that of
// the pod that this process runs in if it is empty. Nothing is asked yet.
func New(kubeconfig string, log *slog.Logger) (*Cluster, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if kubeconfig == "" {
		config, err = rest.InClusterConfig()
	}
	if err != nil {
		return nil, fmt.Errorf("find the API server: %w", err)
	}
	config = rest.CopyConfig(config)
	config.Timeout = requestTimeout
	config.UserAgent = "nameward-removal"
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("prepare requests to the API server: %w", err)
	}
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("find the API server: %w", err)
	}
	return &Cluster{http: client, base: base, log: log, pace: time.Second}, nil
}

// Remove gives the DaemonSet that the manifest (JSON) names the manifest's pods
// and waits until all nodes have one that is available. A DaemonSet that is not
// there leaves nothing to do. Then nobody writes Leases any more, and it deletes
// those of its namespace that the label selector selects. When ctx ends before all
// nodes are done, the error is ErrUnfinished and says how far it got; what was
// begun goes on in the cluster.
func (c *Cluster) Remove(ctx context.Context, manifest []byte, leases string) error {
	name, patch, err := read(manifest)
	if err != nil {
		return err
	}
	if err := c.clear(ctx, name, patch); err != nil {
		return err
	}
	if err := c.deleteLeases(ctx, name.Namespace, leases); err != nil {
		return fmt.Errorf("every node is done, but the Leases of enforcers are still there (kubectl --namespace %s delete leases --selector '%s'): %w", name.Namespace, leases, err)
	}
	return nil
}

// clear has every node cleared.
func (c *Cluster) clear(ctx context.Context, name meta.ObjectMeta, patch []byte) error {
	path := "/apis/apps/v1/namespaces/" + url.PathEscape(name.Namespace) + "/daemonsets/" + url.PathEscape(name.Name)
	asked, err := c.begin(ctx, path, patch)
	if errors.Is(err, errAbsent) {
		c.log.Info("no node to clear: there is no DaemonSet", "namespace", name.Namespace, "name", name.Name)
		return nil
	}
	if err != nil {
		return fmt.Errorf("give DaemonSet %s/%s the pods of its removal: %w", name.Namespace, name.Name, err)
	}
	return c.await(ctx, path, asked.Generation)
}

// deleteLeases is tried until the API server has answered, or ctx ends.
func (c *Cluster) deleteLeases(ctx context.Context, namespace, selector string) error {
	where := c.base.JoinPath("/apis/coordination.k8s.io/v1/namespaces/" + url.PathEscape(namespace) + "/leases")
	where.RawQuery = url.Values{"labelSelector": {selector}}.Encode()
	for {
		_, err := c.ask(ctx, http.MethodDelete, where, nil)
		if err == nil || final(err) || !c.pause(ctx, err) {
			return err
		}
	}
}

// read splits the manifest into whose it is and what changes of it.
func read(manifest []byte) (meta.ObjectMeta, []byte, error) {
	var set struct {
		Kind     string
		Metadata meta.ObjectMeta
		Spec     map[string]json.RawMessage
	}
	if err := json.Unmarshal(manifest, &set); err != nil {
		return meta.ObjectMeta{}, nil, fmt.Errorf("read manifest: %w; want a DaemonSet as JSON", err)
	}
	if set.Kind != "DaemonSet" || set.Metadata.Name == "" || set.Metadata.Namespace == "" || set.Spec["template"] == nil {
		return meta.ObjectMeta{}, nil, errors.New("read manifest: want a DaemonSet with name, namespace and spec.template")
	}
	// A merge patch (RFC 7386) replaces lists as a whole: containers that the
	// manifest does not have go.
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{
		"template": set.Spec["template"], "updateStrategy": set.Spec["updateStrategy"],
	}})
	return set.Metadata, patch, err
}

// begin is tried until the API server has answered, or ctx ends.
func (c *Cluster) begin(ctx context.Context, path string, patch []byte) (*apps.DaemonSet, error) {
	for {
		set, err := c.daemonSet(ctx, http.MethodPatch, path, patch)
		if err == nil || final(err) || !c.pause(ctx, err) {
			return set, err
		}
	}
}

// await returns when the rollout of a generation is complete.
func (c *Cluster) await(ctx context.Context, path string, generation int64) error {
	var last apps.DaemonSetStatus
	for {
		set, err := c.daemonSet(ctx, http.MethodGet, path, nil)
		switch {
		case errors.Is(err, errAbsent):
			return fmt.Errorf("%w: the DaemonSet was deleted meanwhile", ErrUnfinished)
		case err == nil && set.Status.ObservedGeneration >= generation:
			if done(set.Status) {
				c.log.Info("every node is done", "nodes", set.Status.DesiredNumberScheduled)
				return nil
			}
			if reached(set.Status) != reached(last) {
				c.log.Info("removing", "done", reached(set.Status), "nodes", set.Status.DesiredNumberScheduled)
			}
			last = set.Status
		}
		if !c.pause(ctx, err) {
			return fmt.Errorf("%w: %d of %d", ErrUnfinished, reached(last), last.DesiredNumberScheduled)
		}
	}
}

// reached counts the nodes whose pod is of the new template and available; pods
// of the old one are too, as long as they live.
func reached(s apps.DaemonSetStatus) int32 {
	return max(0, min(s.UpdatedNumberScheduled, s.NumberAvailable))
}

func done(s apps.DaemonSetStatus) bool {
	return s.UpdatedNumberScheduled >= s.DesiredNumberScheduled && s.NumberAvailable >= s.DesiredNumberScheduled
}

// pause waits for the next attempt; false says that ctx has ended.
func (c *Cluster) pause(ctx context.Context, err error) bool {
	if err != nil && ctx.Err() == nil {
		c.log.Warn("the API server did not answer as it should; trying again", "error", err)
	}
	select {
	case <-time.After(c.pace):
		return true
	case <-ctx.Done():
		return false
	}
}

var errAbsent = errors.New("not found")

// refusal is an answer that the next attempt would get too.
type refusal struct{ error }

func final(err error) bool { return errors.Is(err, errAbsent) || errors.As(err, new(refusal)) }

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 4 << 20

// daemonSet is what the API server makes of a request about one.
func (c *Cluster) daemonSet(ctx context.Context, method, path string, body []byte) (*apps.DaemonSet, error) {
	content, err := c.ask(ctx, method, c.base.JoinPath(path), body)
	if err != nil {
		return nil, err
	}
	set := &apps.DaemonSet{}
	return set, json.Unmarshal(content, set)
}

func (c *Cluster) ask(ctx context.Context, method string, where *url.URL, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, where.String(), bytes.NewReader(body))
	if err != nil {
		return nil, refusal{err}
	}
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, failure(response, content)
	}
	return content, nil
}

// failure is what the API server says of a request that it did not do. Its own
// troubles (5xx) and its wish for patience (429) pass.
func failure(response *http.Response, content []byte) error {
	var s meta.Status
	if json.Unmarshal(content, &s) != nil || s.Message == "" {
		s.Message = response.Status
	}
	switch code := response.StatusCode; {
	case code == http.StatusNotFound:
		return fmt.Errorf("%w: %s", errAbsent, s.Message)
	case code >= 500 || code == http.StatusTooManyRequests:
		return errors.New(s.Message)
	}
	return refusal{errors.New(s.Message)}
}
