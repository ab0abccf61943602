package main

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/nameward/nameward/enforcer/pods"
	"github.com/nameward/nameward/enforcer/settings"
)

// resident are the flags that matter in a cluster only.
type resident struct {
	socket, posture string
	pods, ignore    []string
	cache           string
	netns           []string
	nodes           string
	// podName and podUID are this process's own pod.
	podName, podUID string
}

func (o *resident) register(f *pflag.FlagSet) {
	f.StringVar(&o.socket, "socket", "", "in a cluster, unix socket where nameward-cni has pods wait for their policy, such as /run/nameward/enforcer.sock (default: none)")
	f.StringVar(&o.posture, "start-posture", "deny", "in a cluster, what an interface gets whose pod is not known yet: deny, or default for what --default says; settings override it")
	f.StringSliceVar(&o.pods, "pod-interfaces", nil, "in a cluster, which interfaces with a peer in another network namespace are pods', as patterns such as eni* (comma-separated, default: all but the node's own)")
	f.StringSliceVar(&o.ignore, "ignore-interfaces", nil, "in a cluster, which of them are not (comma-separated)")
	f.StringVar(&o.cache, "cni-cache", "/var/lib/cni", "in a cluster, where CNI plugins' results are kept")
	f.StringSliceVar(&o.netns, "netns", []string{"/run/netns"}, "in a cluster, where pods' network namespaces are mounted (comma-separated)")
	f.StringVar(&o.nodes, "node-selector", "", "in a cluster, label selector of the nodes that have an enforcer, for conditions of policies (default: all)")
}

// check notes what is wrong with them.
func (o *resident) check(m *mistakes, e env, node string) settings.Posture {
	posture := parsed(m, "start-posture", settings.ParsePosture, o.posture)
	m.note("pod-interfaces", pods.Patterns(o.pods))
	m.note("ignore-interfaces", pods.Patterns(o.ignore))
	m.note("cni-cache", absolute(o.cache))
	for _, dir := range o.netns {
		m.note("netns", absolute(dir))
	}
	if o.socket != "" {
		m.note("socket", absolute(o.socket))
	}
	if _, err := labels.Parse(o.nodes); err != nil {
		m.note("node-selector", fmt.Errorf("%q is no label selector: %w", o.nodes, err))
	}
	o.podName, o.podUID = "nameward-enforcer-"+node, ""
	if e.getenv != nil {
		if name := e.getenv("POD_NAME"); name != "" {
			o.podName = name
		}
		o.podUID = e.getenv("POD_UID")
	}
	return posture
}

func absolute(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%q: want an absolute path", path)
	}
	return nil
}

// finding is how pods' interfaces are found.
func (o *resident) finding(log *slog.Logger) pods.Config {
	c := pods.Config{Cache: o.cache, Netns: o.netns, Pods: o.pods, Ignore: o.ignore, Log: log, Now: time.Now}
	if o.socket != "" {
		c.Attachments = attachments(o.socket)
	}
	return c
}
