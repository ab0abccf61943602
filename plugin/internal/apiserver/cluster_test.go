package apiserver

import (
	"context"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	authentication "k8s.io/api/authentication/v1"
	api "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	core "k8s.io/client-go/kubernetes/typed/core/v1"
)

// clusterVariable names a kubeconfig of a cluster that tests may use.
const clusterVariable = "NAMEWARD_KUBECONFIG"

// cluster is a real one, and a namespace of this test in it.
type cluster struct {
	*testing.T
	core      *core.CoreV1Client
	namespace string
	node      string
}

func newCluster(t *testing.T) (*cluster, *Client) {
	t.Helper()
	path := os.Getenv(clusterVariable)
	if path == "" {
		t.Skipf("%s is not set; want the kubeconfig of a cluster with a node, for a namespace of this test's own", clusterVariable)
	}
	config, err := load(path)
	if err != nil {
		t.Fatal(err)
	}
	client, err := New(path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	c := &cluster{T: t}
	if c.core, err = core.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	namespace, err := c.core.Namespaces().Create(t.Context(), &api.Namespace{ObjectMeta: meta.ObjectMeta{GenerateName: "nameward-test-"}}, meta.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c.namespace = namespace.Name
	t.Cleanup(func() { c.core.Namespaces().Delete(context.Background(), c.namespace, meta.DeleteOptions{}) })
	nodes, err := c.core.Nodes().List(t.Context(), meta.ListOptions{})
	if err != nil || len(nodes.Items) == 0 {
		t.Fatalf("got no node: %v", err)
	}
	c.node = nodes.Items[0].Name
	return c, client
}

func (c *cluster) account(name string) {
	c.Helper()
	if _, err := c.core.ServiceAccounts(c.namespace).Create(c.Context(), &api.ServiceAccount{ObjectMeta: meta.ObjectMeta{Name: name}}, meta.CreateOptions{}); err != nil {
		c.Fatal(err)
	}
}

// run starts a pod of a service account on the node. It needs no image: its
// address is there before its containers are.
func (c *cluster) run(name, account string) *api.Pod {
	c.Helper()
	now := int64(0)
	pods := c.core.Pods(c.namespace)
	pod, err := pods.Create(c.Context(), &api.Pod{
		ObjectMeta: meta.ObjectMeta{Name: name},
		Spec: api.PodSpec{
			NodeName: c.node, ServiceAccountName: account, TerminationGracePeriodSeconds: &now,
			Containers: []api.Container{{Name: "none", Image: "nameward.test/none", ImagePullPolicy: api.PullNever}},
		},
	}, meta.CreateOptions{})
	for until := time.Now().Add(time.Minute); err == nil && len(pod.Status.PodIPs) == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(until) {
			c.Fatalf("pod %s has no address: %+v", name, pod.Status)
		}
		pod, err = pods.Get(c.Context(), name, meta.GetOptions{})
	}
	if err != nil {
		c.Fatal(err)
	}
	return pod
}

// token requests one as a kubelet does, bound to a pod unless that is nil.
func (c *cluster) token(account, audience string, pod *api.Pod) string {
	c.Helper()
	request := &authentication.TokenRequest{Spec: authentication.TokenRequestSpec{Audiences: []string{audience}}}
	if pod != nil {
		request.Spec.BoundObjectRef = &authentication.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID}
	}
	out, err := c.core.ServiceAccounts(c.namespace).CreateToken(c.Context(), account, request, meta.CreateOptions{})
	if err != nil {
		c.Fatal(err)
	}
	return out.Status.Token
}

// TestRealCluster proves N16 where the API server is a real one: what it says of
// tokens and pods is what the other tests take it to say.
func TestRealCluster(t *testing.T) {
	c, client := newCluster(t)
	for _, name := range []string{"nameward", "web"} {
		c.account(name)
	}
	pod, web := c.run("enforcer", "nameward"), c.run("web", "web")
	tokens := client.Tokens("nameward", c.namespace, "nameward")
	good := c.token("nameward", "nameward", pod)
	tests := []struct {
		name, token string
		code        codes.Code
		says        string
	}{
		{"a pod's token for the audience", good, codes.OK, ""},
		{"a token for the API server", c.token("nameward", "https://kubernetes.default.svc.cluster.local", pod), codes.Unauthenticated, `want a projected token for audience "nameward"`},
		{"a token of another service account", c.token("web", "nameward", web), codes.PermissionDenied, "the token is of system:serviceaccount:" + c.namespace + ":web"},
		{"a token that is bound to no pod", c.token("nameward", "nameward", nil), codes.PermissionDenied, "names no node"},
		{"a token with another signature", good[:len(good)-6] + "AAAAAA", codes.Unauthenticated, "does not accept the token"},
		{"no token at all", "a.b.c", codes.Unauthenticated, "does not accept the token"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			node, err := tokens.Node(t.Context(), tt.token)
			if status.Code(err) != tt.code || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %q and %v, want %v and %q", node, err, tt.code, tt.says)
			}
			if err == nil && node != c.node {
				t.Errorf("got node %q, want %q", node, c.node)
			}
		})
	}
	ip := netip.MustParseAddr(pod.Status.PodIP)
	if got, _, err := client.Pods(t.Context(), c.node); err != nil || !has(got, ip) {
		t.Errorf("pods of node %s: got %v and %v, want %v among them", c.node, got, err, ip)
	}
	if got, _, err := client.Pods(t.Context(), "another"); err != nil || len(got) > 0 {
		t.Errorf("pods of another node: got %v and %v, want none", got, err)
	}

	if err := c.core.Pods(c.namespace).Delete(t.Context(), pod.Name, meta.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(time.Minute); ; time.Sleep(spacing) {
		got, _, err := client.Pods(t.Context(), c.node)
		if err == nil && !has(got, ip) {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("the pod that is gone still has %v: %v", ip, err)
		}
	}
	later := client.Tokens("nameward", c.namespace, "nameward") // without the memory of a minute
	for until := time.Now().Add(time.Minute); ; time.Sleep(time.Second) {
		_, err := later.Node(t.Context(), good)
		if status.Code(err) == codes.Unauthenticated {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("the token of a pod that is gone: got %v", err)
		}
		later = client.Tokens("nameward", c.namespace, "nameward")
	}
}

func has(all map[netip.Addr]struct{}, ip netip.Addr) bool {
	_, ok := all[ip]
	return ok
}
