package cluster

import (
	"bytes"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"
	"sigs.k8s.io/yaml"

	"github.com/nameward/nameward/enforcer/policy/aws"
)

// YAML gives the objects of c as manifests.
func (c *Cluster) YAML() string {
	var all []string
	for i := range c.Namespaces {
		all = append(all, document("v1", "Namespace", c.Namespaces[i]))
	}
	for i := range c.Nodes {
		all = append(all, document("v1", "Node", c.Nodes[i]))
	}
	for i := range c.Pods {
		all = append(all, document("v1", "Pod", c.Pods[i]))
	}
	for i := range c.NetworkPolicies {
		all = append(all, document("networking.k8s.io/v1", "NetworkPolicy", c.NetworkPolicies[i]))
	}
	for i := range c.ApplicationPolicies {
		all = append(all, document("networking.k8s.aws/v1alpha1", "ApplicationNetworkPolicy", c.ApplicationPolicies[i]))
	}
	for i := range c.ClusterPolicies {
		all = append(all, document("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", c.ClusterPolicies[i]))
	}
	out := ""
	for i, text := range all {
		if i > 0 {
			out += "---\n"
		}
		out += text
	}
	if c.AWS {
		out += "# nameward is given the ClusterNetworkPolicies as objects of networking.k8s.aws/v1alpha1.\n"
	}
	for _, name := range names {
		if addresses := c.Resolved[name]; len(addresses) > 0 {
			out += fmt.Sprintf("# %s has been resolved to %v\n", name, addresses)
		}
	}
	return out
}

// document leaves out what says nothing.
func document(apiVersion, kind string, o any) string {
	text, err := yaml.Marshal(o)
	if err != nil {
		panic(err)
	}
	var fields map[string]any
	if err := yaml.Unmarshal(text, &fields); err != nil {
		panic(err)
	}
	prune(fields)
	fields["apiVersion"], fields["kind"] = apiVersion, kind
	if text, err = yaml.Marshal(fields); err != nil {
		panic(err)
	}
	return string(text)
}

// prune drops what Go writes for fields that are not set. An empty selector
// says something.
func prune(fields map[string]any) {
	for _, empty := range []string{"creationTimestamp", "resources", "loadBalancer", "daemonEndpoints", "nodeInfo"} {
		delete(fields, empty)
	}
	for key, value := range fields {
		switch inside := value.(type) {
		case nil:
			delete(fields, key)
		case map[string]any:
			prune(inside)
			if len(inside) == 0 && (key == "status" || key == "metadata" || key == "spec") {
				delete(fields, key)
			}
		case []any:
			for _, item := range inside {
				if nested, ok := item.(map[string]any); ok {
					prune(nested)
				}
			}
		}
	}
}

// Parse reads a cluster from manifests, for cases written by hand. Names
// resolve to nothing.
func Parse(text string) (*Cluster, error) {
	c := &Cluster{Resolved: map[string][]string{}}
	for document := range bytes.SplitSeq([]byte(text), []byte("\n---\n")) {
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal(document, &kind); err != nil {
			return nil, err
		}
		var err error
		switch kind.Kind {
		case "Namespace":
			err = read(document, &c.Namespaces)
		case "Node":
			err = read(document, &c.Nodes)
		case "Pod":
			err = read(document, &c.Pods)
		case "NetworkPolicy":
			err = read(document, &c.NetworkPolicies)
		case "ApplicationNetworkPolicy":
			err = read(document, &c.ApplicationPolicies)
		case "ClusterNetworkPolicy":
			err = read(document, &c.ClusterPolicies)
		default:
			err = fmt.Errorf("kind %q is none of a cluster here", kind.Kind)
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", document, err)
		}
	}
	return c, nil
}

func read[T corev1.Namespace | corev1.Node | corev1.Pod | networkingv1.NetworkPolicy |
	aws.ApplicationNetworkPolicy | policyv1alpha2.ClusterNetworkPolicy](document []byte, into *[]T) error {
	var o T
	err := yaml.UnmarshalStrict(document, &o)
	*into = append(slices.Clip(*into), o)
	return err
}
