package manifests

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/nameward/nameward/enforcer/settings"
)

// configMap reads the settings; ConfigMaps of other names are not ours.
func (r *reading) configMap(o *object) {
	c, ok := decodeOrFault[corev1.ConfigMap](r, o, true)
	if !ok || c.Name != settings.Name {
		return
	}
	if r.settingsAt.file != "" {
		r.fault(o.fault("metadata.name", "a second ConfigMap %q, the first is at %s; keep one of them", settings.Name, r.settingsAt))
		return
	}
	r.settingsAt = o.place()
	var faults []settings.Fault
	r.snapshot.Overrides, faults = settings.Parse(c.Data, c.BinaryData)
	for _, f := range faults {
		r.fault(o.fault(f.Field, "%s", f.Reason))
	}
}
