package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	events "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/nameward/nameward/enforcer/policy"
)

// clusterVariable names a kubeconfig of a cluster that tests may use.
const clusterVariable = "NAMEWARD_KUBECONFIG"

// cluster is a real one, and a namespace of this test in it.
type cluster struct {
	testing.TB
	config    *rest.Config
	api       *api
	namespace string
	nodes     []string
	made      []policy.PolicyRef
	// lists is how often each member lists policies.
	lists time.Duration
}

func newCluster(t testing.TB) *cluster {
	t.Helper()
	path := os.Getenv(clusterVariable)
	if path == "" {
		t.Skipf("%s is not set; want the kubeconfig of a cluster with nodes, for a namespace and policies of this test's own", clusterVariable)
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	a, err := newAPI(config)
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{TB: t, config: config, api: a, lists: 100 * time.Millisecond}
	t.Cleanup(a.close)
	c.installKinds()
	var namespace core.Namespace
	c.post("/api/v1/namespaces", map[string]any{"metadata": map[string]any{"generateName": "try-report-"}}, &namespace)
	c.namespace = namespace.Name
	t.Cleanup(c.cleanUp)
	var nodes core.NodeList
	c.get("/api/v1/nodes", &nodes)
	for _, n := range nodes.Items {
		c.nodes = append(c.nodes, n.Name)
	}
	if slices.Sort(c.nodes); len(c.nodes) < 3 {
		t.Skipf("got %d nodes, want 3", len(c.nodes))
	}
	c.nodes = c.nodes[:3]
	return c
}

// installKinds installs the kinds of policies that are absent, and leaves them.
func (c *cluster) installKinds() {
	c.Helper()
	const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
	for _, file := range []string{"networking.k8s.aws_applicationnetworkpolicies", "networking.k8s.aws_clusternetworkpolicies", "policy.networking.k8s.io_clusternetworkpolicies"} {
		text, err := os.ReadFile("../../deploy/crds/" + file + ".yaml")
		if err != nil {
			c.Fatal(err)
		}
		object, err := yaml.YAMLToJSON(text)
		if err != nil {
			c.Fatal(err)
		}
		_, err = do(c.Context(), c.api.rest.Post().AbsPath(path).Body(object), nil)
		if err != nil && !apierrors.IsAlreadyExists(err) {
			c.Fatal(err)
		}
	}
	for _, k := range Kinds {
		c.until("kind "+k.String()+" is served", func() bool {
			return c.api.policies(c.Context(), k, func(*reviewed) {}) == nil
		})
	}
}

func (c *cluster) cleanUp() {
	ctx := context.Background()
	for _, ref := range c.made {
		do(ctx, c.api.rest.Delete().AbsPath(objectPath(ref)), nil)
	}
	do(ctx, c.api.rest.Delete().AbsPath("/api/v1/namespaces/"+c.namespace), nil)
	var list events.EventList
	do(ctx, c.api.rest.Get().AbsPath(eventPath("default")), &list)
	for _, e := range list.Items {
		if strings.HasPrefix(e.ReportingInstance, c.namespace) {
			do(ctx, c.api.rest.Delete().AbsPath(eventPath("default")+"/"+e.Name), nil)
		}
	}
}

func (c *cluster) get(path string, out any) {
	c.Helper()
	if _, err := do(c.Context(), c.api.rest.Get().AbsPath(path), out); err != nil {
		c.Fatal(err)
	}
}

func (c *cluster) post(path string, object, out any) {
	c.Helper()
	if _, err := do(c.Context(), c.api.rest.Post().AbsPath(path).Body(encode(object)), out); err != nil {
		c.Fatal(err)
	}
}

// until waits, as long as a real cluster may take that others load, too.
func (c *cluster) until(what string, ok func() bool) time.Duration {
	c.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > 5*time.Minute {
			c.Fatalf("waited five minutes until %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(began)
}

// create makes a policy that selects nothing.
func (c *cluster) create(k Kind, name string) policy.PolicyRef {
	c.Helper()
	ref := policy.PolicyRef{Group: k.Group, Kind: k.Kind, Name: name}
	nothing := map[string]any{"matchLabels": map[string]any{"nameward.test/none": "none"}}
	spec := map[string]any{"podSelector": nothing, "policyTypes": []string{"Egress"}}
	if k == AWSClusterNetworkPolicy || k == ClusterNetworkPolicy {
		ref.Name = c.namespace + "-" + name
		spec = map[string]any{"tier": "Admin", "priority": 7, "subject": map[string]any{"namespaces": nothing}}
	} else {
		ref.Namespace = c.namespace
	}
	object := map[string]any{"apiVersion": k.apiVersion(), "kind": k.Kind, "spec": spec,
		"metadata": map[string]any{"name": ref.Name, "labels": map[string]any{"nameward.test/of": c.namespace}}}
	path := strings.TrimSuffix(objectPath(ref), "/"+ref.Name)
	c.post(path, object, nil)
	c.made = append(c.made, ref)
	return ref
}

// change makes a new generation of a policy.
func (c *cluster) change(ref policy.PolicyRef, value string) {
	c.Helper()
	selector := map[string]any{"matchLabels": map[string]any{"nameward.test/none": value}}
	spec := map[string]any{"podSelector": selector}
	if ref.Namespace == "" {
		spec = map[string]any{"subject": map[string]any{"namespaces": selector}}
	}
	if _, err := do(c.Context(), c.api.rest.Patch(types.MergePatchType).AbsPath(objectPath(ref)).Body(encode(map[string]any{"spec": spec})), nil); err != nil {
		c.Fatal(err)
	}
}

func (c *cluster) status(ref policy.PolicyRef, name string) meta.Condition {
	r, err := c.api.policy(c.Context(), ref)
	if err != nil {
		c.Fatal(err)
	}
	for _, condition := range r.Status.Conditions {
		if condition.Type == name {
			return condition
		}
	}
	return meta.Condition{}
}

// member is a reporter of a node whose kernel takes what the test lets it have.
type member struct {
	*Reporter
	node string
	stop func() // ends it, and waits
	// cut takes its network away, as a crash of the machine would.
	cut atomic.Bool
	// stuck keeps its kernel at what it has.
	stuck atomic.Bool

	mu       sync.Mutex
	problems map[policy.PolicyRef][]policy.Problem
	applied  map[Kind]string
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

var errCut = errors.New("the network is cut")

func (c *cluster) join(node string) *member {
	c.Helper()
	m := &member{node: node, problems: map[policy.PolicyRef][]policy.Problem{}, applied: map[Kind]string{}}
	config := rest.CopyConfig(c.config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if m.cut.Load() {
				return nil, errCut
			}
			return next.RoundTrip(r)
		})
	})
	var err error
	m.Reporter, err = New(Config{REST: config, Node: node, Namespace: c.namespace, PodName: c.namespace + "-" + node, PodUID: "1",
		NodeSelector: "kubernetes.io/hostname in (" + strings.Join(c.nodes, ",") + ")", Clock: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		c.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := m.Run(ctx); err != nil {
			c.Error(err)
		}
	})
	running.Go(func() { m.follow(ctx, c) })
	m.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	c.Cleanup(m.stop)
	return m
}

// follow is the member's source of policies: lists, as real as informers but
// slower.
func (m *member) follow(ctx context.Context, c *cluster) {
	for ; ctx.Err() == nil; sleep(ctx, c.lists) {
		s := State{Nodes: 3}
		whole := true
		m.mu.Lock()
		for _, k := range Kinds {
			resource := schema.GroupVersionResource{Group: k.Group, Version: serving[k].version, Resource: serving[k].resource}
			list, err := c.api.metadata.Resource(resource).List(ctx, meta.ListOptions{LabelSelector: "nameward.test/of=" + c.namespace})
			if err != nil {
				whole = false
				break
			}
			for _, o := range list.Items {
				ref := policy.PolicyRef{Group: k.Group, Kind: k.Kind, Namespace: o.Namespace, Name: o.Name}
				s.Policies = append(s.Policies, Policy{ref, o.UID, o.Generation, o.ResourceVersion, m.problems[ref]})
			}
			if !m.stuck.Load() {
				m.applied[k] = list.ResourceVersion
			}
		}
		s.Applied = map[Kind]string{}
		for k, v := range m.applied {
			s.Applied[k] = v
		}
		m.mu.Unlock()
		if whole {
			m.Set(s)
		}
	}
}

func (m *member) finds(ref policy.PolicyRef, problems ...policy.Problem) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.problems[ref] = problems
}

func (c *cluster) joinAll() []*member {
	var all []*member
	for _, node := range c.nodes {
		all = append(all, c.join(node))
	}
	return all
}

// TestClusterConditions: conditions of all three kinds say how far they are (S4).
func TestClusterConditions(t *testing.T) {
	c := newCluster(t)
	members := c.joinAll()
	for _, k := range []Kind{ApplicationNetworkPolicy, AWSClusterNetworkPolicy, ClusterNetworkPolicy} {
		t.Run(k.String(), func(t *testing.T) {
			ref := c.create(k, "one")
			foreign := meta.Condition{Type: "example.com/Seen", Status: "True", Reason: "Seen", Message: "by another", LastTransitionTime: meta.NewTime(time.Now().Truncate(time.Second))}
			write := func(conditions ...meta.Condition) {
				t.Helper()
				patch := map[string]any{"status": map[string]any{"conditions": conditions}}
				if _, err := do(t.Context(), c.api.rest.Patch(types.MergePatchType).AbsPath(objectPath(ref)+"/status").Body(encode(patch)), nil); err != nil {
					t.Fatal(err)
				}
			}
			write(foreign)
			enforced := func(generation int64, message string) func() bool {
				return func() bool {
					got := c.status(ref, typeEnforced)
					return got.ObservedGeneration == generation && got.Message == message
				}
			}
			took := c.until("it is enforced", enforced(1, "3 of 3 nodes"))
			t.Logf("created to Enforced: %v", took)
			if got := c.status(ref, typeAccepted); got.Status != "True" || got.ObservedGeneration != 1 {
				t.Errorf("got %+v, want Accepted of generation 1", got)
			}
			if got := c.status(ref, foreign.Type); got.Message != foreign.Message || !got.LastTransitionTime.Equal(&foreign.LastTransitionTime) {
				t.Errorf("got another's condition as %+v, want %+v", got, foreign)
			}
			members[2].stuck.Store(true)
			c.change(ref, "other")
			c.until("two nodes have generation 2", enforced(2, "2 of 3 nodes; not there yet: "+c.nodes[2]))
			if got := c.status(ref, typeEnforced).Status; got != "False" {
				t.Errorf("got Enforced %s with 2 of 3 nodes, want False", got)
			}
			members[2].stuck.Store(false)
			took = c.until("the third one has, too", enforced(2, "3 of 3 nodes"))
			t.Logf("third node to Enforced: %v", took)
			write(foreign)
			c.until("what another removed is back", enforced(2, "3 of 3 nodes"))
			for _, m := range members {
				m.finds(ref, policy.Problem{Policy: ref, Field: "spec.egress[2].to[0]", Reason: "not a CIDR"})
			}
			c.until("the closed part is told", func() bool {
				got := c.status(ref, typeAccepted)
				return got.Status == "False" && got.Reason == reasonPartlyClosed && strings.Contains(got.Message, "spec.egress[2].to[0]: not a CIDR")
			})
			writes := func() (n uint64) {
				for _, m := range members {
					n += m.Stats().StatusWrites
				}
				return n
			}
			c.until("Enforced is, too", enforced(2, "3 of 3 nodes"))
			quiet := writes()
			time.Sleep(3 * time.Second) // nothing is to happen, so nothing can be awaited
			if n := writes() - quiet; n > 0 {
				t.Errorf("got %d writes with nothing to say, want none", n)
			}
		})
	}
}

// TestClusterElection: where the elected one vanishes, another goes on (S4).
func TestClusterElection(t *testing.T) {
	c := newCluster(t)
	members := c.joinAll()
	ref := c.create(ApplicationNetworkPolicy, "one")
	full := func() bool { return c.status(ref, typeEnforced).Status == "True" }
	c.until("it is enforced", full)
	elected := func() (all []*member) {
		for _, m := range members {
			if m.Stats().Elected && !m.cut.Load() {
				all = append(all, m)
			}
		}
		return all
	}
	first := elected()
	if len(first) != 1 {
		t.Fatalf("got %d elected, want 1", len(first))
	}
	first[0].cut.Store(true)
	c.change(ref, "other")
	took := c.until("another is elected", func() bool { return len(elected()) == 1 })
	t.Logf("network of the elected cut, next elected after %v", took)
	if first[0].Stats().Elected {
		t.Errorf("the one that was cut off still acts")
	}
	want := "2 of 3 nodes; not there yet: " + first[0].node
	c.until("the two others are counted", func() bool { return c.status(ref, typeEnforced).Message == want })
	first[0].cut.Store(false)
	took = c.until("all three are", full)
	t.Logf("network back to Enforced: %v", took)
	second := elected()[0]
	second.stop()
	took = c.until("a third is elected after an orderly end", func() bool { return len(elected()) == 1 && elected()[0] != second })
	t.Logf("orderly end to next elected: %v", took)
}

// TestClusterLeases: what a node reports goes with the node, and Leases of nodes
// that are not there count for nothing (S4).
func TestClusterLeases(t *testing.T) {
	c := newCluster(t)
	m := c.join(c.nodes[0])
	ref := c.create(ClusterNetworkPolicy, "one")
	c.until("one node is counted", func() bool {
		return c.status(ref, typeEnforced).Message == fmt.Sprintf("1 of 3 nodes; no enforcer: %s, %s", c.nodes[1], c.nodes[2])
	})
	lease, err := c.api.lease(t.Context(), c.namespace, leaseName(m.node))
	if err != nil {
		t.Fatal(err)
	}
	var node core.Node
	c.get("/api/v1/nodes/"+m.node, &node)
	if owners := lease.OwnerReferences; len(owners) != 1 || owners[0].UID != node.UID || owners[0].Kind != "Node" {
		t.Errorf("got owners %+v, want the Node object", owners)
	}
	var report map[string]any
	if err := json.Unmarshal([]byte(lease.Annotations[reportKey]), &report); err != nil {
		t.Error(err)
	}
	t.Logf("report: %s", lease.Annotations[reportKey])
}

// TestClusterEvents: Events on policies, pods, nodes and settings, as series
// (S4, P15, D10).
func TestClusterEvents(t *testing.T) {
	c := newCluster(t)
	m := c.join(c.nodes[0])
	networkPolicy, cluster := c.create(NetworkPolicy, "one"), c.create(AWSClusterNetworkPolicy, "one")
	for _, ref := range []policy.PolicyRef{networkPolicy, cluster} {
		m.finds(ref, policy.Problem{Policy: ref, Field: "spec.egress[2].to[0]", Reason: "not a CIDR"})
	}
	m.SetSettings(Settings{c.namespace, "nameward", "5", []string{"default: got \"Maybe\", want Allow or Deny"}})
	m.PodTrouble(policy.PodRef{Namespace: c.namespace, Name: "p", UID: "6"}, "Odd", "it is")
	for range 3 {
		m.KernelFailed(errors.New("cannot allocate memory"))
	}
	wants := []struct{ sentence, namespace, kind, name, reason, note string }{
		{"a NetworkPolicy has Events only", c.namespace, "NetworkPolicy", "one", "PartlyClosed", "spec.egress[2].to[0]: not a CIDR"},
		{"a cluster-wide policy's lie in default", "default", "ClusterNetworkPolicy", cluster.Name, "PartlyClosed", "spec.egress[2].to[0]: not a CIDR"},
		{"settings name the key", c.namespace, "ConfigMap", "nameward", "SettingsRefused", "want Allow or Deny"},
		{"a pod's", c.namespace, "Pod", "p", "Odd", "it is"},
		{"the kernel's are the node's (D10)", "default", "Node", m.node, "KernelUpdateFailed", "cannot allocate memory"},
	}
	for _, want := range wants {
		t.Run(want.sentence, func(t *testing.T) {
			c.until("the Event is there", func() bool {
				var list events.EventList
				c.get(eventPath(want.namespace), &list)
				return slices.ContainsFunc(list.Items, func(e events.Event) bool {
					return e.ReportingInstance == c.namespace+"-"+m.node && e.Regarding.Kind == want.kind && e.Regarding.Name == want.name &&
						e.Reason == want.reason && strings.Contains(e.Note, want.note)
				})
			})
		})
	}
	t.Run("many tries are one Event with a count (D10)", func(t *testing.T) {
		var node core.Node
		c.get("/api/v1/nodes/"+m.node, &node)
		counts := 0
		c.until("all three are counted", func() bool {
			var list events.EventList
			c.get(eventPath("default"), &list)
			counts = 0
			for _, e := range list.Items {
				if e.ReportingInstance == c.namespace+"-"+m.node && e.Reason == reasonKernel {
					counts++
					if e.Series != nil {
						counts += int(e.Series.Count) - 1
					}
				}
			}
			return counts >= 3
		})
		if counts != 3 {
			t.Errorf("got %d failures told, want 3", counts)
		}
	})
	t.Run("who tells it next continues the series", func(t *testing.T) {
		next := c.join(c.nodes[1])
		e := event{podReference(policy.PodRef{Namespace: c.namespace, Name: "p", UID: "6"}), "Odd", "Enforce", "it is"}
		next.PodTrouble(policy.PodRef{Namespace: c.namespace, Name: "p", UID: "6"}, "Odd", "it is")
		c.until("the count is 2", func() bool {
			got, err := c.api.patchEvent(t.Context(), c.namespace, e.name(), nil)
			return err == nil && got.Series != nil && got.Series.Count == 2
		})
	})
}
