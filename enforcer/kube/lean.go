package kube

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

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
	return unmarshalLean(&l.PodList, data, fields{1: nil, 2: podFields})
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
// generated.proto: nil for the whole of one, else those of what is in it.
type fields map[protowire.Number]fields

// podFields are what convert.Pod, claimOf and the reflector look at. The last
// wants annotations: one marks the end of the list that begins a watch.
var podFields = fields{
	1: {1: nil, 3: nil, 5: nil, 6: nil, 8: nil, 9: nil, 11: nil, 12: nil}, // metadata: name, namespace, uid, resourceVersion, creation and deletion, labels, annotations
	2: {10: nil, 11: nil, 2: portFields, 20: portFields},                  // spec: nodeName, hostNetwork, containers, initContainers
	3: {1: nil, 6: nil, 7: nil, 12: nil},                                  // status: phase, podIP, startTime, podIPs
}

// portFields are of a container: ports, restartPolicy.
var portFields = fields{6: nil, 24: nil}

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
		parts, kept := keep[number]
		switch {
		case !kept:
		case parts == nil || kind != protowire.BytesType:
			out = append(out, field...)
		default:
			body, _ := protowire.ConsumeBytes(field[head:])
			start := len(out)
			if out, ok = prune(out, body, parts); !ok {
				return nil, false
			}
			length := protowire.AppendVarint(nil, uint64(len(out)-start))
			out = slices.Insert(out, start, append(slices.Clip(field[:head]), length...)...)
		}
	}
	return out, true
}
