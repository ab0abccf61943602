// Package render turns the chart in deploy/chart and some values into manifests,
// as helm would for a cluster of a given version that knows given APIs.
//
// It knows helm's libraries. It must not know what the chart describes.
package render

import (
	"fmt"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"
	"helm.sh/helm/v3/pkg/strvals"
)

// Cluster is what a chart can see of the cluster that it is rendered for.
type Cluster struct {
	// Version is that of Kubernetes, as v1.36.0; empty means that.
	Version string
	// APIs that it knows besides its own, as cert-manager.io/v1.
	APIs []string
	// Objects answers lookups; nil means that nothing is found, as by helm template.
	Objects engine.ClientProvider
}

// Release is what helm makes of a chart.
type Release struct {
	// Objects are manifests in the order in which they are made, Hooks those of
	// hooks in the order of their weights. Each is one YAML document.
	Objects, Hooks []string
	// Notes are what the user reads.
	Notes string
}

const defaultVersion = "v1.36.0"

// Chart renders the chart in folder for a release in namespace. Each of set is as
// for helm's --set. The error is what a user of helm would read.
func Chart(folder, namespace string, cluster Cluster, set ...string) (Release, error) {
	c, err := loader.LoadDir(folder)
	if err != nil {
		return Release{}, fmt.Errorf("load chart: %w", err)
	}
	values := map[string]any{}
	for _, s := range set {
		if err := strvals.ParseInto(s, values); err != nil {
			return Release{}, fmt.Errorf("read value %q: %w", s, err)
		}
	}
	caps, err := capabilities(cluster)
	if err != nil {
		return Release{}, err
	}
	if !chartutil.IsCompatibleRange(c.Metadata.KubeVersion, caps.KubeVersion.Version) {
		return Release{}, fmt.Errorf("chart requires kubeVersion: %s, the cluster is %s", c.Metadata.KubeVersion, caps.KubeVersion.Version)
	}
	options := chartutil.ReleaseOptions{Name: "nameward", Namespace: namespace, Revision: 1, IsInstall: true}
	all, err := chartutil.ToRenderValues(c, values, options, caps)
	if err != nil {
		return Release{}, err
	}
	var files map[string]string
	if cluster.Objects != nil {
		files, err = engine.RenderWithClientProvider(c, all, cluster.Objects)
	} else {
		files, err = engine.Render(c, all)
	}
	if err != nil {
		return Release{}, fmt.Errorf("render: %w", err)
	}
	return sorted(files, caps)
}

func capabilities(cluster Cluster) (*chartutil.Capabilities, error) {
	caps := chartutil.DefaultCapabilities.Copy()
	if cluster.Version == "" {
		cluster.Version = defaultVersion
	}
	version, err := chartutil.ParseKubeVersion(cluster.Version)
	if err != nil {
		return nil, fmt.Errorf("read version of Kubernetes: %w", err)
	}
	caps.KubeVersion = *version
	caps.APIVersions = append(caps.APIVersions, cluster.APIs...)
	return caps, nil
}

// sorted takes the notes out and the rest apart.
func sorted(files map[string]string, caps *chartutil.Capabilities) (Release, error) {
	var r Release
	for name, content := range files {
		if strings.HasSuffix(name, "NOTES.txt") {
			r.Notes = content
			delete(files, name)
		}
	}
	hooks, manifests, err := releaseutil.SortManifests(files, caps.APIVersions, releaseutil.InstallOrder)
	if err != nil {
		return Release{}, fmt.Errorf("take manifests apart: %w", err)
	}
	for _, m := range manifests {
		r.Objects = append(r.Objects, strings.TrimSpace(m.Content)+"\n")
	}
	// They come sorted by kind, and helm runs them by weight.
	slices.SortStableFunc(hooks, func(a, b *release.Hook) int { return a.Weight - b.Weight })
	for _, h := range hooks {
		r.Hooks = append(r.Hooks, strings.TrimSpace(h.Manifest)+"\n")
	}
	return r, nil
}
