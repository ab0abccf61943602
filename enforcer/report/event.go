package report

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	core "k8s.io/api/core/v1"
	events "k8s.io/api/events/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/nameward/nameward/enforcer/policy"
)

// The reasons of Events. reasonPartlyClosed is also that of a condition.
const (
	reasonPartlyClosed = "PartlyClosed"
	reasonNotPoliced   = "PodNotPoliced"
	reasonKernel       = "KernelUpdateFailed"
	reasonSettings     = "SettingsRefused"
)

// controller is who reports, whatever the node.
const controller = "nameward.io/enforcer"

// event is something to tell about an object. All are warnings: what works is
// told by conditions and metrics.
type event struct {
	regarding            core.ObjectReference
	reason, action, note string
}

// eventKey is the same for events that are one series.
type eventKey [sha256.Size]byte

func (e event) key() eventKey {
	r := e.regarding
	return sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q %q %q", r.APIVersion, r.Kind, r.Namespace, r.Name, r.UID, e.reason, e.note))
}

// namespace is where the Event lies: those of cluster-wide objects in default.
func (e event) namespace() string {
	if e.regarding.Namespace == "" {
		return "default"
	}
	return e.regarding.Namespace
}

// name follows from what the event says, so that who tells it next, another
// enforcer or this one after a restart, continues the series.
func (e event) name() string {
	key := e.key()
	suffix := "." + hex.EncodeToString(key[:8])
	return cutName(e.regarding.Name, longestName-len(suffix)) + suffix
}

func cutName(name string, most int) string { return name[:min(len(name), most)] }

// object is the Event as the API wants it when it is told for the first time.
func (e event) object(instance string, now time.Time) *events.Event {
	return &events.Event{
		TypeMeta:            meta.TypeMeta{APIVersion: "events.k8s.io/v1", Kind: "Event"},
		ObjectMeta:          meta.ObjectMeta{Namespace: e.namespace(), Name: e.name()},
		EventTime:           meta.NewMicroTime(now),
		ReportingController: controller,
		ReportingInstance:   cutName(instance, 128),
		Action:              e.action,
		Reason:              e.reason,
		Regarding:           e.regarding,
		Note:                cut(e.note, longestNote),
		Type:                core.EventTypeWarning,
	}
}

func partlyClosed(p *Policy) event {
	k := KindOf(p.Ref)
	return event{
		regarding: core.ObjectReference{APIVersion: k.apiVersion(), Kind: k.Kind, Namespace: p.Ref.Namespace, Name: p.Ref.Name, UID: p.UID},
		reason:    reasonPartlyClosed, action: "Compile", note: closedParts(p.Problems, longestNote),
	}
}

func notPoliced(pod policy.PodRef, why string) event {
	return event{podReference(pod), reasonNotPoliced, "Attach", "no filter holds this pod: " + why}
}

func podReference(pod policy.PodRef) core.ObjectReference {
	return core.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: types.UID(pod.UID)}
}

// kernelFailed regards the node. Without its UID, the name stands for it, as
// the kubelet has it; kubectl describe looks for both.
func kernelFailed(node string, uid types.UID, err error) event {
	if uid == "" {
		uid = types.UID(node)
	}
	return event{core.ObjectReference{APIVersion: "v1", Kind: "Node", Name: node, UID: uid}, reasonKernel, "Apply",
		"the kernel keeps the policies it had; trying again: " + err.Error()}
}

func settingsRefused(s Settings) event {
	note := ""
	for i, fault := range s.Faults {
		if i > 0 {
			note += "; "
		}
		note += fault
	}
	return event{core.ObjectReference{APIVersion: "v1", Kind: "ConfigMap", Namespace: s.Namespace, Name: s.Name, UID: s.UID},
		reasonSettings, "Configure", "the last good settings stay: " + note}
}
