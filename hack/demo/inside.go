package main

import (
	"fmt"
	"io"
	"os"

	"github.com/nameward/nameward/hack/demo/product"
	"github.com/nameward/nameward/hack/demo/scene"
)

// lookInside prints what to do with a scene that stays up.
func lookInside(out io.Writer, s *scene.Scene, p *product.Product) {
	node, pod := s.Node.Name, s.Pods.CurlBackend.Netspace().Name
	fmt.Fprintf(out, `
The scene is up. Things to try from another terminal, as root:

  policies, pods and settings: edit them, the enforcer watches
    ls %[1]s
  a pod that looks example.com up, and then may reach it
    ip netns exec %[2]s dig +short example.com @%[4]s
    ip netns exec %[2]s curl -m 2 --resolve example.com:80:%[3]s http://example.com/
  the node's interfaces, one for each pod, the filters on them, and their tables
    ip -n %[5]s link
    bpftool link
    bpftool map
  what the enforcer and CoreDNS count
    ip netns exec %[5]s curl -s http://%[6]s/metrics | grep ^nameward_
    ip netns exec %[5]s curl -s http://127.0.0.1:9153/metrics | grep ^coredns_nameward_
  logs
    tail -f %[7]s/*.log

Ctrl-C here, or "kill %[8]d", removes all of it.
`, p.Manifests(), pod, scene.ExampleCom.Known.V4, scene.ClusterDNS.V4, node, product.MetricsAddress, p.Folder(), os.Getpid())
}
