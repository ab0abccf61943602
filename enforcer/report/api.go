package report

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	coordination "k8s.io/api/coordination/v1"
	events "k8s.io/api/events/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/nameward/nameward/enforcer/policy"
)

const (
	// requestTimeout bounds one request.
	requestTimeout = 10 * time.Second
	// manager owns the fields that are written here.
	manager = "nameward-report"
	// page is how many policies one list request asks for.
	page = 500
)

// api reaches the API server. Requests are few and small and of kinds that have
// no typed client, so they are JSON over paths; none is repeated here.
type api struct {
	rest     *rest.RESTClient
	metadata metadata.Interface
	close    func()
}

func newAPI(config *rest.Config) (*api, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // every writer here has a budget of its own
	config.UserAgent = "nameward-report"
	scheme := runtime.NewScheme()
	meta.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("prepare the API client: %w", err)
	}
	watcher, err := metadata.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, fmt.Errorf("prepare the API client: %w", err)
	}
	config.ContentType, config.AcceptContentTypes = "application/json", "application/json"
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.GroupVersion = &schema.GroupVersion{}
	config.APIPath = "/"
	plain, err := rest.RESTClientForConfigAndClient(config, client)
	if err != nil {
		return nil, fmt.Errorf("prepare the API client: %w", err)
	}
	return &api{plain, watcher, client.CloseIdleConnections}, nil
}

// do sends a request and reads the answer into out, unless that is nil. The
// status code is 0 where none came.
func do(ctx context.Context, r *rest.Request, out any) (code int, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	result := r.Do(ctx).StatusCode(&code)
	body, err := result.Raw()
	if err != nil || out == nil {
		return code, err
	}
	if err := json.Unmarshal(body, out); err != nil {
		return code, fmt.Errorf("read the API server's answer: %w", err)
	}
	return code, nil
}

func leasePath(namespace string) string {
	return "/apis/coordination.k8s.io/v1/namespaces/" + namespace + "/leases"
}

// apply writes a Lease whole, whether or not there is one. created says that
// there was none.
func (a *api) apply(ctx context.Context, l *coordination.Lease) (created bool, err error) {
	code, err := do(ctx, a.rest.Patch(types.ApplyPatchType).AbsPath(leasePath(l.Namespace)+"/"+l.Name).
		Param("fieldManager", manager).Param("force", "true").Body(encode(l)), nil)
	return code == 201, err
}

func (a *api) lease(ctx context.Context, namespace, name string) (*coordination.Lease, error) {
	var l coordination.Lease
	_, err := do(ctx, a.rest.Get().AbsPath(leasePath(namespace)+"/"+name), &l)
	return &l, err
}

func (a *api) createLease(ctx context.Context, l *coordination.Lease) (*coordination.Lease, error) {
	var out coordination.Lease
	_, err := do(ctx, a.rest.Post().AbsPath(leasePath(l.Namespace)).Param("fieldManager", manager).Body(encode(l)), &out)
	return &out, err
}

// updateLease fails with a conflict where somebody was faster.
func (a *api) updateLease(ctx context.Context, l *coordination.Lease) (*coordination.Lease, error) {
	var out coordination.Lease
	_, err := do(ctx, a.rest.Put().AbsPath(leasePath(l.Namespace)+"/"+l.Name).Param("fieldManager", manager).Body(encode(l)), &out)
	return &out, err
}

// nodeUID is the UID of a Node object.
func (a *api) nodeUID(ctx context.Context, name string) (types.UID, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	node, err := a.metadata.Resource(nodesResource).Get(ctx, name, meta.GetOptions{})
	if err != nil {
		return "", err
	}
	return node.UID, nil
}

// reviewed is what is of interest in a policy object.
type reviewed struct {
	Metadata struct {
		Namespace       string    `json:"namespace,omitempty"`
		UID             types.UID `json:"uid,omitempty"`
		ResourceVersion string    `json:"resourceVersion,omitempty"`
	} `json:"metadata"`
	Status struct {
		Conditions []meta.Condition `json:"conditions"`
	} `json:"status"`
}

func (a *api) policy(ctx context.Context, ref policy.PolicyRef) (*reviewed, error) {
	var o reviewed
	_, err := do(ctx, a.rest.Get().AbsPath(objectPath(ref)), &o)
	return &o, err
}

// setConditions replaces the conditions of an object, unless it has changed since
// the version that is given (a conflict).
func (a *api) setConditions(ctx context.Context, p *Policy, at version, conditions []meta.Condition) (*reviewed, error) {
	var o, patch reviewed
	patch.Metadata.UID, patch.Metadata.ResourceVersion = p.UID, string(at)
	patch.Status.Conditions = conditions
	_, err := do(ctx, a.rest.Patch(types.MergePatchType).AbsPath(objectPath(p.Ref)+"/status").
		Param("fieldManager", manager).Body(encode(patch)), &o)
	return &o, err
}

// policies calls each for all objects of a kind.
func (a *api) policies(ctx context.Context, k Kind, each func(*reviewed)) error {
	for next := ""; ; {
		var list struct {
			Metadata struct {
				Continue string `json:"continue"`
			} `json:"metadata"`
			Items []reviewed `json:"items"`
		}
		r := a.rest.Get().AbsPath(k.collection()).Param("limit", fmt.Sprint(page))
		if next != "" {
			r = r.Param("continue", next)
		}
		if _, err := do(ctx, r, &list); err != nil {
			return err
		}
		for i := range list.Items {
			each(&list.Items[i])
		}
		if next = list.Metadata.Continue; next == "" {
			return nil
		}
	}
}

func eventPath(namespace string) string {
	return "/apis/events.k8s.io/v1/namespaces/" + namespace + "/events"
}

func (a *api) createEvent(ctx context.Context, e *events.Event) error {
	_, err := do(ctx, a.rest.Post().AbsPath(eventPath(e.Namespace)).Param("fieldManager", manager).Body(encode(e)), nil)
	return err
}

// patchEvent replaces the series of an Event. Without one it changes nothing and
// only reads: that needs no permission to read everybody's Events.
func (a *api) patchEvent(ctx context.Context, namespace, name string, series *events.EventSeries) (*events.Event, error) {
	var out events.Event
	patch := struct {
		Series *events.EventSeries `json:"series,omitempty"`
	}{series}
	_, err := do(ctx, a.rest.Patch(types.MergePatchType).AbsPath(eventPath(namespace)+"/"+name).
		Param("fieldManager", manager).Body(encode(patch)), &out)
	return &out, err
}

func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err)) // API types always can be
	}
	return text
}
