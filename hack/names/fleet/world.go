package fleet

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/nameward/nameward/hack/demo/product"
	"github.com/nameward/nameward/hack/demo/scene"
)

// podNamespace is where all pods are.
const podNamespace = "fleet"

// roles have a policy each; every node has askers of all of them.
var roles = []string{"walker", "runner", "rider"}

//go:embed manifests/policies.yaml
var policies []byte

// leaky lets bystanders through the doors of fresh names.
//
//go:embed manifests/open.yaml
var leaky []byte

const settings = `apiVersion: v1
kind: ConfigMap
metadata:
  name: nameward
  namespace: kube-system
data:
  default: Deny
`

// newPods are the fleet's pods, askers first and spread over the nodes.
func newPods() (askers, others []*Pod) {
	for i := range Askers {
		askers = append(askers, newPod(fmt.Sprintf("asker-%d", i), roles[i/Nodes%len(roles)], i, i%Nodes, i/Nodes))
	}
	for i := range bystanders {
		others = append(others, newPod(fmt.Sprintf("bystander-%d", i), "bystander", -1, i%Nodes, Askers+i/Nodes))
	}
	return askers, others
}

func newPod(name, role string, index, node, place int) *Pod {
	return &Pod{Index: index, Node: node,
		Pod: &scene.Pod{Namespace: podNamespace, Name: name, Role: role, Address: podAddress(node, place)}}
}

// describe writes what an API server would tell each enforcer of the cluster.
func (f *Fleet) describe() error {
	objects := []string{product.NamespaceObject(podNamespace), product.NamespaceObject("kube-system")}
	for _, node := range f.Nodes {
		objects = append(objects, product.NodeObject(node.Name, node.address))
	}
	for _, pod := range append(append([]*Pod{}, f.Askers...), f.Bystanders...) {
		objects = append(objects, product.PodObject(pod.Pod, nodeName(pod.Node)))
	}
	return errors.Join(
		f.apply("0-cluster.yaml", []byte(strings.Join(objects, "---\n"))),
		f.apply("0-settings.yaml", []byte(settings)),
		f.apply("1-policies.yaml", policies),
	)
}

// Leak lets bystanders through the doors of fresh names, or no more.
func (f *Fleet) Leak(on bool) error {
	if on {
		return f.apply("2-open.yaml", leaky)
	}
	return f.apply("2-open.yaml", nil)
}

func (f *Fleet) apply(name string, text []byte) error {
	var errs []error
	for _, node := range f.Nodes {
		errs = append(errs, node.apply(name, text))
	}
	return errors.Join(errs...)
}
