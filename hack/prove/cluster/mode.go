package cluster

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/nameward/nameward/enforcer/policy"
)

// modeAnnotation puts a policy, or what is in a namespace, on trial (P23).
const (
	modeAnnotation = "nameward.io/mode"
	audit, enforce = "audit", "enforce"
)

// drawMode annotates some objects.
func drawMode(t *rapid.T, meta *metav1.ObjectMeta) {
	if m := pick(t, "mode", []string{"", "", "", "", "", audit, enforce}); m != "" {
		if meta.Annotations == nil {
			meta.Annotations = map[string]string{}
		}
		meta.Annotations[modeAnnotation] = m
	}
}

// nearest gives the first mode that is set.
func nearest(modes ...string) string {
	for _, m := range modes {
		if m != "" {
			return m
		}
	}
	return enforce
}

func (c *Cluster) settingMode() string {
	if c.Settings == nil {
		return ""
	}
	return c.Settings.Data["mode"]
}

func (c *Cluster) namespaceMode(name string) string {
	for _, n := range c.Namespaces {
		if n.Name == name {
			return n.Annotations[modeAnnotation]
		}
	}
	return ""
}

// modelOf is the policy as it is in force or on trial.
func (c *Cluster) modelOf(p *Policy) *policy.Policy {
	if nearest(p.Object.GetAnnotations()[modeAnnotation], c.namespaceMode(p.Object.GetNamespace()), c.settingMode()) == audit {
		return p.onTrial
	}
	return p.model
}

// convertModes says for whose pods the node default is on trial. A World cannot
// say "all but these", so it names the others where there are such.
func (c *Cluster) convertModes(w *policy.World) {
	some, all := map[string]bool{}, true
	for name := range w.Namespaces {
		if nearest(c.namespaceMode(name), c.settingMode()) == audit {
			some[name] = true
		}
		all = all && c.namespaceMode(name) != enforce
	}
	if w.AuditDefault = all && c.settingMode() == audit; !w.AuditDefault {
		w.AuditNamespaces = some
	}
}
