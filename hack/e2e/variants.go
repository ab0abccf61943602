package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// variant is nameward with other values, in a lab that is started otherwise.
type variant struct {
	name, about string
	// lab is the environment that "lab up" has, sorted like its README.
	lab []string
	// set are values of the chart.
	set []string
	// asks is the DNS server of test pods, empty for the one kubelets name.
	asks string
	// ownDNS says that the cluster has a DNS before nameward comes, at labDNS.
	ownDNS bool
	// noDNS says that pods cannot count on any DNS.
	noDNS bool
	// plays are names of scenarios, in the order of their telling; none for all.
	plays []string
}

// variants in the order of their playing; of those alike in lab the lab is kept.
var variants = []variant{
	{name: "default", about: "the chart's values, pods wired one by one"},
	{name: "required", about: "no pod starts without its node's enforcer", set: []string{"cni.mode=required"}, plays: []string{"workloads", "away"}},
	{name: "no-chain", about: "without the chain plugin, from the start", set: []string{"cni.mode=off"}, plays: []string{"workloads", "ports", "article"}},
	{name: "replace", about: "our CoreDNS takes the place of the cluster's", ownDNS: true, plays: []string{"takeover", "article", "replicas"}},
	{name: "node-local", about: "a CoreDNS on each node, before the cluster's", ownDNS: true, asks: nodeDNS,
		set: []string{"dns.mode=node-local", "dns.nodeLocal.clusterDNS=" + labDNS}, plays: []string{"local", "confined", "article", "dual"}},
	{name: "bridge", about: "pods behind a bridge, netfilter sees what it carries", lab: []string{"CNI=bridge"},
		plays: []string{"ports", "host", "nodes", "dual", "article", "race"}},
	// Services with a backend beside the pod work for nobody there, DNS included.
	{name: "bridge-plain", about: "pods behind a bridge, netfilter sees nothing of it", lab: []string{"CNI=bridge", "BRIDGE_NF=0"}, noDNS: true,
		plays: []string{"host", "nodes", "race"}},
}

// nodeDNS is where the chart has a CoreDNS of the node listen.
const nodeDNS = "169.254.20.10"

// pick finds the variants to play.
func pick(o options) ([]variant, error) {
	if o.variant == "" {
		if o.short || o.stay || o.only != "" {
			return variants[:1], nil
		}
		return variants, nil
	}
	var picked []variant
	for name := range strings.SplitSeq(o.variant, ",") {
		i := slices.IndexFunc(variants, func(v variant) bool { return v.name == name })
		if i < 0 {
			return nil, fmt.Errorf("-variant: there is no variant %q; -list has them", name)
		}
		picked = append(picked, variants[i])
	}
	if o.stay && len(picked) > 1 {
		return nil, fmt.Errorf("-stay: %d variants cannot be installed at a time; give one by -variant", len(picked))
	}
	return picked, nil
}

// unfit says why the variant cannot be played; the lab is nil where there is none.
func (v variant) unfit(l *laboratory) string {
	switch {
	case l == nil && (len(v.lab) > 0 || v.ownDNS):
		return "needs the lab"
	case l != nil && !l.fits(v):
		return "needs a lab started with " + strings.Join(v.lab, " ")
	}
	return ""
}

// ownDNS gives the cluster a DNS of its own, where the variant wants one.
func (w *world) ownDNS(ctx context.Context) error {
	if !w.variant.ownDNS {
		return nil
	}
	s := &stage{world: w, ctx: ctx, name: "install"}
	return s.check("the cluster has a DNS of its own", func() error {
		manifest, err := w.release.ownDNS()
		if err == nil {
			_, err = w.Kubectl(ctx, manifest, "apply", "-f", "-")
		}
		if err == nil {
			_, err = w.Kubectl(ctx, "", "rollout", "status", "-n", "kube-system", "deployment/coredns", "--timeout=90s")
		}
		return err
	})
}

func (w *world) noOwnDNS(ctx context.Context) {
	if !w.variant.ownDNS {
		return
	}
	manifest, err := w.release.ownDNS()
	if err == nil {
		_, err = w.Kubectl(ctx, manifest, "delete", "--ignore-not-found", "-f", "-")
	}
	if err != nil {
		w.note("the cluster's own DNS is still there: %v", err)
	}
}

// ownDNS is the lab's example of one: of names outside it knows none.
func (r *release) ownDNS() (string, error) {
	text, err := os.ReadFile(filepath.Join(filepath.Dir(r.options.lab), "manifests", "coredns.yaml"))
	return strings.NewReplacer("@IMAGE@", "nameward/coredns:"+r.tag, "@COMMAND@", `["/coredns"]`).Replace(string(text)), err
}
