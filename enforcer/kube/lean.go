package kube

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"google.golang.org/protobuf/encoding/protowire"
)

// leanPod is a pod as it is read from protobuf: of a cluster's 4 kB for each, the
// tenth that decides something. What the generated code makes of the rest is several
// times as much, and a node that starts reads all the cluster's pods.
type leanPod struct{ corev1.Pod }

// leanPodList is the same of all pods in one answer, as servers give it that
// cannot begin a watch with what there is.
type leanPodList struct{ corev1.PodList }

// Unmarshal is what the decoder calls.
func (p *leanPod) Unmarshal(data []byte) error { return unmarshalLean(&p.Pod, data, podFields) }

// Unmarshal is what the decoder calls.
func (l *leanPodList) Unmarshal(data []byte) error {
	return unmarshalLean(&l.PodList, data, fields{1: {}, 2: {fields: podFields}})
}

func unmarshalLean(into interface {
	Reset()
	Unmarshal([]byte) error
}, data []byte, keep fields) error {
	if less, ok := prune(make([]byte, 0, 1024), data, keep); ok && into.Unmarshal(less) == nil {
		return nil
	}
	into.Reset()
	return into.Unmarshal(data) // which says more, or knows better
}

// fields are those of a message that are kept, by their numbers in
// generated.proto.
type fields map[protowire.Number]part

// part is what is kept of a field: the whole of it, if nothing is said.
type part struct {
	fields fields   // of a message
	keys   []string // of a map's entry, which is dropped if it has another key
}

// podFields are what convert.Pod, claimOf, mirrorOf and the reflector look at.
var podFields = fields{
	1: {fields: fields{1: {}, 3: {}, 5: {}, 6: {}, 8: {}, 9: {}, 11: {}, 12: {keys: annotations}}}, // metadata: name, namespace, uid, resourceVersion, creation and deletion, labels, annotations
	2: {fields: fields{10: {}, 11: {}, 2: portFields, 20: portFields}},                             // spec: nodeName, hostNetwork, containers, initContainers
	3: {fields: fields{1: {}, 6: {}, 7: {}, 12: {}}},                                               // status: phase, podIP, startTime, podIPs
}

// annotations are those that somebody looks at: what a static pod is known by, and
// the mark at the end of the list that begins a watch.
var annotations = []string{corev1.MirrorPodAnnotationKey, metav1.InitialEventsAnnotationKey}

// portFields are of a container: ports, restartPolicy.
var portFields = part{fields: fields{6: {}, 24: {}}}

// prune appends to out what is kept of a message. It says no where there is no
// message.
func prune(out, message []byte, keep fields) (_ []byte, ok bool) {
	for len(message) > 0 {
		number, kind, head := protowire.ConsumeTag(message)
		if head < 0 {
			return nil, false
		}
		size := protowire.ConsumeFieldValue(number, kind, message[head:])
		if size < 0 {
			return nil, false
		}
		field := message[:head+size]
		message = message[head+size:]
		part, kept := keep[number]
		if !kept {
			continue
		}
		body, _ := protowire.ConsumeBytes(field[head:])
		switch {
		case part.keys != nil && kind == protowire.BytesType:
			key, ok := entryKey(body)
			if !ok {
				return nil, false
			}
			if slices.Contains(part.keys, string(key)) {
				out = append(out, field...)
			}
		case part.fields == nil || kind != protowire.BytesType:
			out = append(out, field...)
		default:
			start := len(out)
			if out, ok = prune(out, body, part.fields); !ok {
				return nil, false
			}
			length := protowire.AppendVarint(nil, uint64(len(out)-start))
			out = slices.Insert(out, start, append(slices.Clip(field[:head]), length...)...)
		}
	}
	return out, true
}

// entryKey is the key of a map's entry, whose last field 1 it is. It says no where
// there is no such entry.
func entryKey(entry []byte) (key []byte, ok bool) {
	for len(entry) > 0 {
		number, kind, head := protowire.ConsumeTag(entry)
		if head < 0 {
			return nil, false
		}
		size := protowire.ConsumeFieldValue(number, kind, entry[head:])
		if size < 0 || number == 1 && kind != protowire.BytesType {
			return nil, false
		}
		if number == 1 {
			key, _ = protowire.ConsumeBytes(entry[head:])
		}
		entry = entry[head+size:]
	}
	return key, true
}
