package kube

import (
	"context"
	encoding "encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// REST says how to reach an API server.
type REST = rest.Config

// Load reads how to reach the API server: from a kubeconfig file, or with an
// empty path from the service account of the pod that this process runs in.
func Load(kubeconfig string) (*REST, error) {
	if kubeconfig != "" {
		config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
		if err != nil {
			return nil, fmt.Errorf("read kubeconfig %s: %w", kubeconfig, err)
		}
		return config, nil
	}
	config, err := rest.InClusterConfig()
	if errors.Is(err, rest.ErrNotInCluster) {
		return nil, errors.New("this process is in no pod of a cluster; give --kubeconfig FILE")
	}
	if err != nil {
		return nil, fmt.Errorf("use the pod's service account: %w; mount its token, or give --kubeconfig FILE", err)
	}
	return config, nil
}

var (
	// typed are the kinds that are read as Go types, and no others: a program
	// that registers a whole group has the code of all its kinds.
	typed = runtime.NewScheme()
	// plain has nothing but what every API server says of itself.
	plain      = runtime.NewScheme()
	parameters = runtime.NewParameterCodec(plain)
)

func init() {
	core, discovery := corev1.SchemeGroupVersion, discoveryv1.SchemeGroupVersion
	typed.AddKnownTypeWithName(core.WithKind(podKind.called), &leanPod{})
	typed.AddKnownTypeWithName(core.WithKind(podKind.called+"List"), &leanPodList{})
	typed.AddKnownTypes(core,
		&corev1.Namespace{}, &corev1.NamespaceList{}, &corev1.Node{}, &corev1.NodeList{},
		&corev1.Service{}, &corev1.ServiceList{}, &corev1.ConfigMap{}, &corev1.ConfigMapList{})
	typed.AddKnownTypes(discovery, &discoveryv1.EndpointSlice{}, &discoveryv1.EndpointSliceList{})
	metav1.AddToGroupVersion(typed, discovery)
	metav1.AddToGroupVersion(typed, schema.GroupVersion{Version: "v1"})
	metav1.AddToGroupVersion(plain, schema.GroupVersion{Version: "v1"})
}

// trees reads objects of any kind without losing what no Go type has (P15).
type trees struct{ runtime.NegotiatedSerializer }

func newTrees() trees {
	read := json.NewSerializerWithOptions(json.DefaultMetaFactory, treeKinds{plain}, treeKinds{plain}, json.SerializerOptions{})
	frames := json.NewSerializerWithOptions(json.DefaultMetaFactory, plain, plain, json.SerializerOptions{})
	return trees{serializer.NegotiatedSerializerWrapper(runtime.SerializerInfo{
		MediaType: runtime.ContentTypeJSON, MediaTypeType: "application", MediaTypeSubType: "json", EncodesAsText: true,
		Serializer:       read,
		StreamSerializer: &runtime.StreamSerializerInfo{Serializer: frames, EncodesAsText: true, Framer: json.Framer},
	})}
}

// treeKinds makes a tree of every kind that the scheme does not have.
type treeKinds struct{ *runtime.Scheme }

func (k treeKinds) New(of schema.GroupVersionKind) (runtime.Object, error) {
	if k.Scheme.Recognizes(of) {
		return k.Scheme.New(of)
	}
	tree := &unstructured.Unstructured{}
	tree.SetGroupVersionKind(of)
	return tree, nil
}

func (k treeKinds) ObjectKinds(o runtime.Object) ([]schema.GroupVersionKind, bool, error) {
	if tree, is := o.(runtime.Unstructured); is {
		return []schema.GroupVersionKind{tree.GetObjectKind().GroupVersionKind()}, false, nil
	}
	return k.Scheme.ObjectKinds(o)
}

func (k treeKinds) Recognizes(schema.GroupVersionKind) bool { return true }

// client asks for one kind.
type client struct {
	kind kind
	rest rest.Interface
}

// newClient shares the connections of the HTTP client.
func newClient(config *rest.Config, shared *http.Client, k kind) (*client, error) {
	config = rest.CopyConfig(config)
	version := k.GroupVersion()
	config.GroupVersion, config.APIPath = &version, "/apis"
	if k.Group == "" {
		config.APIPath = "/api"
	}
	config.QPS = -1 // a few watches; pauses are the feeds'
	config.Timeout = 0
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	if typed.Recognizes(version.WithKind(k.called)) {
		config.NegotiatedSerializer = serializer.NewCodecFactory(typed).WithoutConversion()
		config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	} else {
		config.NegotiatedSerializer = newTrees()
	}
	made, err := rest.RESTClientForConfigAndClient(config, shared)
	if err != nil {
		return nil, fmt.Errorf("prepare the client of %s: %w", k, err)
	}
	return &client{k, made}, nil
}

func (c *client) request(o metav1.ListOptions) *rest.Request {
	r := c.rest.Get().Resource(c.kind.Resource).MaxRetries(0) // persist does
	if c.kind.namespace != "" {
		r = r.Namespace(c.kind.namespace)
	}
	if c.kind.name != "" {
		o.FieldSelector = "metadata.name=" + c.kind.name
	}
	if o.TimeoutSeconds != nil {
		r = r.Timeout(time.Duration(*o.TimeoutSeconds) * time.Second)
	}
	return r.SpecificallyVersionedParams(&o, parameters, schema.GroupVersion{Version: "v1"})
}

func (c *client) watch(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	o.Watch = true
	w, err := c.request(o).Watch(ctx)
	if err == nil && reflect.TypeOf(w) == empty {
		return nil, errHungUp
	}
	return w, err
}

// empty is the watch that client-go makes up where the connection was lost
// before there was an answer.
var (
	empty     = reflect.TypeOf(watch.NewEmptyWatch())
	errHungUp = errors.New("the connection was lost before there was an answer")
)

// list gives what strip makes of each object, so that of a page no more than
// that is kept.
func (c *client) list(ctx context.Context, o metav1.ListOptions, strip func(runtime.Object) (item, error)) (*page, error) {
	list, err := c.request(o).Do(ctx).Get()
	if err != nil {
		return nil, err
	}
	if tree, is := list.(*unstructured.Unstructured); is {
		if list, err = tree.ToList(); err != nil {
			return nil, err
		}
	}
	about, err := meta.ListAccessor(list)
	if err != nil {
		return nil, err
	}
	out := &page{}
	out.ResourceVersion, out.Continue, out.RemainingItemCount = about.GetResourceVersion(), about.GetContinue(), about.GetRemainingItemCount()
	err = meta.EachListItem(list, func(o runtime.Object) error {
		it, err := strip(o)
		if err == nil {
			out.Items = append(out.Items, it)
		}
		return err
	})
	return out, err
}

// lacks says whether the server says of itself that it has no such kind. That a
// path is not found is not enough: servers that start say so of all of them.
func (c *client) lacks(ctx context.Context) (bool, error) {
	var resources metav1.APIResourceList
	err := c.discover(ctx, "/apis/"+c.kind.GroupVersion().String(), &resources)
	if err == nil {
		for _, r := range resources.APIResources {
			if r.Name == c.kind.Resource {
				return false, nil
			}
		}
		return true, nil
	}
	if !apierrors.IsNotFound(err) {
		return false, err
	}
	var groups metav1.APIGroupList
	if err := c.discover(ctx, "/apis", &groups); err != nil {
		return false, err
	}
	for _, g := range groups.Groups {
		for _, v := range g.Versions {
			if v.GroupVersion == c.kind.GroupVersion().String() {
				return false, nil
			}
		}
	}
	return len(groups.Groups) > 0, nil
}

// discover reads one of the server's lists of what it has.
func (c *client) discover(ctx context.Context, path string, into any) error {
	text, err := c.rest.Get().AbsPath(path).SetHeader("Accept", runtime.ContentTypeJSON).Do(ctx).Raw()
	if err != nil {
		return err
	}
	if err := encoding.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}
