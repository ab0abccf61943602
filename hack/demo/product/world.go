package product

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nameward/nameward/hack/demo/scene"
)

// writeWorld writes what an API server would tell the enforcer of the cluster.
func (p *Product) writeWorld() error {
	objects := []string{NodeObject(NodeName, scene.NodeAddress), serviceObject("app", "backend", scene.BackendService),
		serviceObject("kube-system", "kube-dns", scene.ClusterDNS),
		serviceObject("kube-system", "kube-dns-hold-off", scene.HastyDNS)}
	namespaces := map[string]bool{"kube-system": true}
	for _, family := range scene.Families {
		objects = append(objects, sliceObject(p.scene.Pods.Backend, family))
	}
	for _, pod := range p.scene.Pods.All() {
		namespaces[pod.Namespace] = true
		objects = append(objects, PodObject(pod, NodeName))
	}
	for name := range namespaces {
		objects = append(objects, NamespaceObject(name))
	}
	return errors.Join(
		p.Apply("0-cluster.yaml", []byte(strings.Join(objects, "---\n"))),
		p.SetDefault("Deny"),
	)
}

// SetDefault sets the node default, Allow or Deny, the way a cluster's owner
// does: in ConfigMap nameward.
func (p *Product) SetDefault(verdict string) error {
	return p.Apply("0-settings.yaml", fmt.Appendf(nil, `apiVersion: v1
kind: ConfigMap
metadata:
  name: nameward
  namespace: kube-system
data:
  default: %s
`, verdict))
}

// Apply puts the file into the manifests folder whole: it is written beside
// and renamed, so that no reader sees half of it.
func (p *Product) Apply(name string, text []byte) error {
	return Replace(p.folder, filepath.Join(p.Manifests(), name), text)
}

// Replace writes the file beside, in a folder of the same file system, and
// renames it, so that no reader sees half of it.
func Replace(beside, path string, text []byte) error {
	aside := filepath.Join(beside, filepath.Base(path)+".new")
	if err := os.WriteFile(aside, text, 0o644); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	if err := os.Rename(aside, path); err != nil {
		return fmt.Errorf("apply manifest: %w", err)
	}
	return nil
}

// NamespaceObject is a Namespace as a manifest.
func NamespaceObject(name string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Namespace
metadata:
  name: %[1]s
  labels:
    kubernetes.io/metadata.name: %[1]s
`, name)
}

// NodeObject is a Node as a manifest.
func NodeObject(name string, address scene.Dual) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Node
metadata:
  name: %s
  labels:
    kubernetes.io/hostname: %[1]s
status:
  addresses:
    - type: InternalIP
      address: %s
    - type: InternalIP
      address: "%s"
`, name, address.V4, address.V6)
}

// PodObject is a Pod of the node as a manifest, its interface included.
func PodObject(pod *scene.Pod, node string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata:
  namespace: %s
  name: %[2]s
  uid: %[7]s
  labels:
    role: %[3]s
  annotations:
    nameward.io/interface: %[2]s
spec:
  nodeName: %[4]s
  containers:
    - name: main
      image: example.invalid/%[2]s
status:
  phase: Running
  podIP: %[5]s
  podIPs:
    - ip: %[5]s
    - ip: "%[6]s"
`, pod.Namespace, pod.Name, pod.Role, node, pod.Address.V4, pod.Address.V6, pod.UID())
}

func serviceObject(namespace, name string, address scene.Dual) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Service
metadata:
  namespace: %s
  name: %s
spec:
  clusterIP: %[3]s
  clusterIPs:
    - %[3]s
    - "%[4]s"
  ports:
    - protocol: TCP
      port: 80
`, namespace, name, address.V4, address.V6)
}

// sliceObject says what is behind Service backend at its address of a family.
func sliceObject(backend *scene.Pod, family scene.Family) string {
	return fmt.Sprintf(`apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  namespace: %s
  name: backend-%[6]s
  labels:
    kubernetes.io/service-name: backend
addressType: %[2]s
endpoints:
  - addresses:
      - "%[3]s"
    conditions:
      ready: true
    nodeName: %[4]s
ports:
  - protocol: TCP
    port: %[5]d
`, backend.Namespace, family, backend.Address.Of(family), NodeName, scene.BackendPort, strings.ToLower(family.String()))
}
