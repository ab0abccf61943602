// Command chart writes the plain manifests of deploy/manifests, for clusters
// without helm, as the chart in deploy/chart renders them.
//
// It knows which manifests there are and what the user has to know of them. It
// must not know what the chart makes of its values.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/nameward/nameward/hack/chart/render"
)

// chartFolder is where the chart is, seen from this folder.
const chartFolder = "../../deploy/chart/nameward"

// namespace is that of the plain manifests.
const namespace = "nameward"

// file is one of deploy/manifests.
type file struct {
	name   string
	head   string
	values []string
	// only keeps objects of this kind and name; empty keeps all, and adds the namespace
	only string
}

// plain are values that hold for all of them: without helm there is nobody to
// make a certificate, and no hook.
var plain = []string{"certificates.source=existing", "removal.hook=false"}

var files = []file{
	{"nameward.yaml", `# nameward with CoreDNS beside the cluster's own, for clusters without helm.
# Before: the kinds of policies, unless the cluster has them (EKS does), and certificates:
#   kubectl apply -f deploy/crds
#   deploy/certificates nameward | kubectl apply -f -
# To remove it: uninstall.yaml, which says how. What may be changed: deploy/README.md.
`, nil, ""},
	{"node-local.yaml", `# nameward with a CoreDNS on each node, in front of the cluster's own, for clusters without helm.
# Before: put the address of the cluster's DNS in place of 10.96.0.10, and apply deploy/crds unless
# the cluster has these kinds (EKS does). To remove it: uninstall.yaml, which says how.
`, []string{"dns.mode=node-local", "dns.nodeLocal.clusterDNS=10.96.0.10"}, ""},
	{"uninstall.yaml", `# Takes nameward off all nodes: filters, pins, chain plugin. Enforcers give way to pods that do so.
#   kubectl apply -f deploy/manifests/uninstall.yaml
#   kubectl -n nameward rollout status daemonset/nameward-enforcer
#   kubectl delete -f deploy/manifests/nameward.yaml          # or node-local.yaml
`, []string{"removal.enabled=true", "dns.mode=node-local", "dns.nodeLocal.clusterDNS=10.96.0.10"}, "DaemonSet/nameward-enforcer"},
}

// namespaceObject admits what the enforcer needs of the host.
const namespaceObject = `apiVersion: v1
kind: Namespace
metadata:
  name: nameward
  labels:
    pod-security.kubernetes.io/enforce: privileged
`

// helmOnly are lines that are true of objects made by helm.
var helmOnly = regexp.MustCompile(`(?m)^ *app\.kubernetes\.io/managed-by: Helm\n`)

var identity = regexp.MustCompile(`(?ms)^kind: (\S+)$.*?^  name: (\S+)$`)

// render is the file's content.
func (f file) render() (string, error) {
	release, err := render.Chart(chartFolder, namespace, render.Cluster{}, append(append([]string{}, plain...), f.values...)...)
	if err != nil {
		return "", err
	}
	var documents []string
	if f.only == "" {
		documents = append(documents, namespaceObject)
	}
	for _, o := range release.Objects {
		found := identity.FindStringSubmatch(o)
		if found == nil {
			return "", fmt.Errorf("an object without kind and name:\n%s", o)
		}
		if f.only == "" || f.only == found[1]+"/"+found[2] {
			documents = append(documents, helmOnly.ReplaceAllString(o, ""))
		}
	}
	return f.head + "---\n" + strings.Join(documents, "---\n"), nil
}

func main() {
	out := flag.String("o", "../../deploy/manifests", "folder to write to")
	flag.Parse()
	for _, f := range files {
		content, err := f.render()
		if err == nil {
			err = os.WriteFile(filepath.Join(*out, f.name), []byte(content), 0o644)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "chart: write %s: %v\n", f.name, err)
			os.Exit(1)
		}
	}
}
