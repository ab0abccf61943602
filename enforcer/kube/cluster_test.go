package kube

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/settings"
)

// realCluster is a real API server, and a namespace of the test's own in it.
type realCluster struct {
	t         *testing.T
	config    *rest.Config
	http      *http.Client
	namespace string
}

func openCluster(t *testing.T) *realCluster {
	t.Helper()
	path := os.Getenv("NAMEWARD_KUBECONFIG")
	if path == "" {
		t.Skip("NAMEWARD_KUBECONFIG names no cluster")
	}
	config, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	// Files of certificates would be watched for ever.
	if err := rest.LoadTLSFiles(config); err != nil {
		t.Fatal(err)
	}
	config.CertFile, config.KeyFile, config.CAFile = "", "", ""
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	c := &realCluster{t: t, config: config, http: client, namespace: fmt.Sprintf("try-kube-%d", time.Now().UnixNano()%1e9)}
	t.Cleanup(func() { utilnet.CloseIdleConnectionsFor(client.Transport) })
	c.create("/api/v1/namespaces", `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"NS","labels":{"team":"a"}}}`)
	t.Cleanup(func() { c.do("DELETE", "/api/v1/namespaces/"+c.namespace, "", 200, 202, 404) })
	return c
}

// do asks the server; NS stands for the namespace.
func (c *realCluster) do(method, path, body string, good ...int) {
	c.t.Helper()
	own := strings.NewReplacer("NS", c.namespace)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, c.config.Host+own.Replace(path), strings.NewReader(own.Replace(body)))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		r.Header.Set("Content-Type", "application/merge-patch+json")
	}
	answer, err := c.http.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	if !slices.Contains(good, answer.StatusCode) {
		text := make([]byte, 2000)
		n, _ := answer.Body.Read(text)
		c.t.Fatalf("%s %s: got %s: %s", method, path, answer.Status, text[:n])
	}
}

func (c *realCluster) create(path, body string) {
	c.t.Helper()
	c.do(http.MethodPost, path, body, 201)
}

func (c *realCluster) patch(path, body string) {
	c.t.Helper()
	c.do(http.MethodPatch, path, body, 200)
}

// P1, P8, P16, P21, P22: a real server's objects, in protobuf and JSON, streamed
// and watched, come through.
func TestCluster(t *testing.T) {
	c := openCluster(t)
	const (
		pods           = "/api/v1/namespaces/NS/pods"
		services       = "/api/v1/namespaces/NS/services"
		endpointSlices = "/apis/discovery.k8s.io/v1/namespaces/NS/endpointslices"
		networks       = "/apis/networking.k8s.io/v1/namespaces/NS/networkpolicies"
		apps           = "/apis/networking.k8s.aws/v1alpha1/namespaces/NS/applicationnetworkpolicies"
	)
	// No scheduler takes a pod of another one's name, so it stays as it is told.
	pod := func(name string) string {
		return `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"` + name + `","labels":{"app":"web"}},"spec":{"schedulerName":"nobody","serviceAccountName":"own","containers":[{"name":"c","image":"none","ports":[{"name":"http","containerPort":8080}]}]}}`
	}
	f := follow(t, c.config)
	f.until("the namespace is there", func(s *Snapshot) bool { return s.Namespaces[c.namespace]["team"] == "a" })
	ours := func(s *Snapshot) (all []*policy.Pod) {
		for _, p := range s.Pods {
			if p.Ref.Namespace == c.namespace {
				all = append(all, p)
			}
		}
		return all
	}
	refs := func(s *Snapshot) string {
		var all []string
		for _, o := range s.Objects {
			if o.Ref.Namespace == c.namespace {
				all = append(all, o.Ref.Kind)
			}
		}
		return strings.Join(all, " ")
	}
	c.create("/api/v1/namespaces/NS/serviceaccounts", `{"kind":"ServiceAccount","apiVersion":"v1","metadata":{"name":"own"}}`)
	c.create(pods, pod("one"))
	first := f.until("the pod is there", func(s *Snapshot) bool { return len(ours(s)) == 1 })
	if p := ours(first)[0]; p.Labels["app"] != "web" || len(p.Ports) != 1 || p.Ports[0].Number != 8080 || p.Ref.UID != "" {
		t.Errorf("got %+v, want its label and port, and no UID, which only pods of this node keep", p)
	}
	c.patch(pods+"/one/status", `{"status":{"podIP":"10.200.0.1","podIPs":[{"ip":"10.200.0.1"}]}}`)
	f.until("it has an address", func(s *Snapshot) bool { return addresses(ours(s)[0]) == "10.200.0.1" })

	c.create(services, `{"kind":"Service","apiVersion":"v1","metadata":{"name":"svc"},"spec":{"ports":[{"port":80,"targetPort":8080}]}}`)
	c.create(endpointSlices, `{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"name":"svc-a","labels":{"kubernetes.io/service-name":"svc"}},"addressType":"IPv4","endpoints":[{"addresses":["10.200.0.1"]}],"ports":[{"port":8080,"name":""}]}`)
	f.until("the Service leads to it", func(s *Snapshot) bool {
		return slices.ContainsFunc(s.World("n1", settings.Settings{}).Services, func(s *policy.Service) bool {
			return s.Namespace == c.namespace && len(s.Addresses) == 1 && len(s.Ports[0].Backends) == 1 && s.Ports[0].Backends[0].Port == 8080
		})
	})

	c.create(networks, `{"kind":"NetworkPolicy","apiVersion":"networking.k8s.io/v1","metadata":{"name":"p"},"spec":{"podSelector":{},"ingress":[{"from":[{"podSelector":{}}]}]}}`)
	c.create(apps, `{"kind":"ApplicationNetworkPolicy","apiVersion":"networking.k8s.aws/v1alpha1","metadata":{"name":"p"},"spec":{"podSelector":{},"policyTypes":["Egress"],"egress":[{"to":[{"domainNames":["example.com"]}]}]}}`)
	c.create("/apis/networking.k8s.aws/v1alpha1/clusternetworkpolicies", `{"kind":"ClusterNetworkPolicy","apiVersion":"networking.k8s.aws/v1alpha1","metadata":{"name":"NS"},"spec":{"tier":"Baseline","priority":900,"subject":{"namespaces":{"matchLabels":{"kubernetes.io/metadata.name":"NS"}}},"egress":[{"action":"Accept","to":[{"networks":["192.0.2.0/24"]}]}]}}`)
	t.Cleanup(func() {
		c.do("DELETE", "/apis/networking.k8s.aws/v1alpha1/clusternetworkpolicies/NS", "", 200, 404)
	})
	c.create("/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies", `{"kind":"ClusterNetworkPolicy","apiVersion":"policy.networking.k8s.io/v1alpha2","metadata":{"name":"NS"},"spec":{"tier":"Baseline","priority":900,"subject":{"namespaces":{"matchLabels":{"kubernetes.io/metadata.name":"NS"}}},"egress":[{"action":"Accept","to":[{"networks":["192.0.2.0/24"]}]}]}}`)
	t.Cleanup(func() {
		c.do("DELETE", "/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies/NS", "", 200, 404)
	})
	all := f.until("all policies are there", func(s *Snapshot) bool {
		mine := 0
		for _, o := range s.Objects {
			if o.Ref.Name == c.namespace && o.Generation == 1 && o.UID != "" {
				mine++
			}
		}
		return refs(s) == "NetworkPolicy ApplicationNetworkPolicy" && mine == 2
	})
	for _, o := range all.Objects {
		if len(o.Problems) > 0 && (o.Ref.Name == c.namespace || o.Ref.Namespace == c.namespace) {
			t.Errorf("%v: got %v, want none", o.Ref, o.Problems)
		}
	}
	for resource, revision := range all.Revisions() {
		if revision == "" || revision == "0" {
			t.Errorf("%s: got no revision", resource)
		}
	}
	c.patch(apps+"/p/status", `{"status":{"conditions":[{"type":"Tried","status":"True","reason":"Test","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`)
	c.patch(pods+"/one/status", `{"status":{"phase":"Succeeded"}}`)
	done := f.until("the pod has left when it finished", func(s *Snapshot) bool { return len(ours(s)) == 0 })
	for _, p := range all.Policies {
		if p.Ref.Namespace == c.namespace && !slices.Contains(done.Policies, p) {
			t.Errorf("%v is another pointer after a change of its status", p.Ref)
		}
	}
}

// S5: an account without rights is told which; with those of the package
// comment it reads everything.
func TestClusterRights(t *testing.T) {
	c := openCluster(t)
	c.create("/api/v1/namespaces/NS/serviceaccounts", `{"kind":"ServiceAccount","apiVersion":"v1","metadata":{"name":"reader"}}`)
	as := rest.CopyConfig(c.config)
	as.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + c.namespace + ":reader", Groups: []string{"system:serviceaccounts", "system:authenticated"}}
	poor := followIn(t, as, c.namespace)
	poor.state("everything is forbidden", func(s State) bool {
		return len(s.Troubles) == 10 && strings.Count(s.Err().Error(), "grant the enforcer's service account") == 10
	})
	poor.stop()
	own := c.rules()
	c.create("/apis/rbac.authorization.k8s.io/v1/clusterroles", own.cluster)
	t.Cleanup(func() { c.do("DELETE", "/apis/rbac.authorization.k8s.io/v1/clusterroles/NS", "", 200, 404) })
	c.create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", `{"kind":"ClusterRoleBinding","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"NS"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"NS"},"subjects":[{"kind":"ServiceAccount","namespace":"NS","name":"reader"}]}`)
	t.Cleanup(func() { c.do("DELETE", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/NS", "", 200, 404) })
	c.create("/apis/rbac.authorization.k8s.io/v1/namespaces/NS/roles", own.namespace)
	c.create("/apis/rbac.authorization.k8s.io/v1/namespaces/NS/rolebindings", `{"kind":"RoleBinding","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"reader"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"reader"},"subjects":[{"kind":"ServiceAccount","namespace":"NS","name":"reader"}]}`)
	f := followIn(t, as, c.namespace)
	f.until("everything is read", func(*Snapshot) bool { return true })
	f.state("all is well", func(s State) bool { return s.Connected && s.Err() == nil })
}

type roles struct{ cluster, namespace string }

// rules are the roles of the package comment.
func (c *realCluster) rules() roles {
	return roles{
		`{"kind":"ClusterRole","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"NS"},"rules":` + asJSON(c.t, ClusterRules) + `}`,
		`{"kind":"Role","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"reader"},"rules":` + asJSON(c.t, NamespaceRules) + `}`,
	}
}
