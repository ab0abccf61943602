package kube

import (
	"log/slog"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
)

// drawPod is a pod with anything in the fields that decide, and something in many
// that do not.
func drawPod(t *rapid.T) *corev1.Pod {
	texts := rapid.SampledFrom([]string{"", "a", "b", "10.0.0.1", "fd00::1", "n1"})
	moment := func(label string) *metav1.Time {
		if rapid.Bool().Draw(t, label) {
			return nil
		}
		at := metav1.Unix(int64(rapid.IntRange(1, 1e9).Draw(t, label)), 0)
		return &at
	}
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: texts.Draw(t, "name"), Namespace: texts.Draw(t, "namespace"), UID: "u", ResourceVersion: texts.Draw(t, "version"),
		DeletionTimestamp: moment("deleted"), GenerateName: "left-out",
		Labels:          rapid.MapOf(texts, texts).Draw(t, "labels"),
		Annotations:     rapid.MapOf(texts, texts).Draw(t, "annotations"),
		OwnerReferences: []metav1.OwnerReference{{Name: "left-out"}},
		ManagedFields:   []metav1.ManagedFieldsEntry{{Manager: "left-out", FieldsV1: metav1.NewFieldsV1("{}")}},
	}}
	if created := moment("created"); created != nil {
		p.CreationTimestamp = *created
	}
	if p.Annotations == nil {
		p.Annotations = map[string]string{}
	}
	if rapid.Bool().Draw(t, "static") {
		p.Annotations[corev1.MirrorPodAnnotationKey] = "0123456789abcdef0123456789abcdef"
	}
	if rapid.Bool().Draw(t, "last") {
		p.Annotations[metav1.InitialEventsAnnotationKey] = "true"
	}
	p.Spec = corev1.PodSpec{NodeName: texts.Draw(t, "node"), HostNetwork: rapid.Bool().Draw(t, "host"), SchedulerName: "left-out"}
	containers := func(label string) (all []corev1.Container) {
		always := corev1.ContainerRestartPolicyAlways
		for range rapid.IntRange(0, 3).Draw(t, label) {
			c := corev1.Container{Name: "left-out", Env: []corev1.EnvVar{{Name: "left", Value: "out"}}}
			if rapid.Bool().Draw(t, "sidecar") {
				c.RestartPolicy = &always
			}
			for range rapid.IntRange(0, 3).Draw(t, "ports") {
				c.Ports = append(c.Ports, corev1.ContainerPort{Name: texts.Draw(t, "port"), ContainerPort: rapid.Int32Range(-1, 70000).Draw(t, "number"), Protocol: corev1.Protocol(rapid.SampledFrom([]string{"", "TCP", "UDP"}).Draw(t, "protocol"))})
			}
			all = append(all, c)
		}
		return all
	}
	p.Spec.InitContainers, p.Spec.Containers = containers("init"), containers("containers")
	p.Status = corev1.PodStatus{
		Phase: corev1.PodPhase(rapid.SampledFrom([]string{"Pending", "Running", "Succeeded"}).Draw(t, "phase")),
		PodIP: texts.Draw(t, "podIP"), StartTime: moment("started"), HostIP: "192.0.2.1",
		Conditions: []corev1.PodCondition{{Type: "left-out", Reason: "x"}},
	}
	for range rapid.IntRange(0, 2).Draw(t, "addresses") {
		p.Status.PodIPs = append(p.Status.PodIPs, corev1.PodIP{IP: texts.Draw(t, "address")})
	}
	return p
}

// What is kept of a pod does not depend on what was left out while it was read,
// and the reflector finds in it what it looks for.
func TestLeanPodIsWhatIsKeptOfThePod(t *testing.T) {
	shelf := newPods("n1", newDeparted(map[key]bool{}), slog.New(slog.DiscardHandler))
	rapid.Check(t, func(t *rapid.T) {
		whole := drawPod(t)
		text, err := whole.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		var lean leanPod
		if err := lean.Unmarshal(text); err != nil {
			t.Fatal(err)
		}
		if text, err = (&corev1.PodList{Items: []corev1.Pod{*whole, *whole}}).Marshal(); err != nil {
			t.Fatal(err)
		}
		var list leanPodList
		if err := list.Unmarshal(text); err != nil || len(list.Items) != 2 {
			t.Fatalf("a list: got %d pods, %v, want 2", len(list.Items), err)
		}
		if diff := cmp.Diff(lean.Pod, list.Items[1]); diff != "" {
			t.Fatalf("in a list it is another: %s", diff)
		}
		got, err := shelf.strip(&lean)
		if err != nil {
			t.Fatal(err)
		}
		want, err := shelf.strip(whole)
		if err != nil {
			t.Fatal(err)
		}
		p, m := parts(got)
		q, n := parts(want)
		if p.Ref != q.Ref || !p.same(q) || p.claim != q.claim || !reflect.DeepEqual(m, n) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		const last = metav1.InitialEventsAnnotationKey
		if lean.ResourceVersion != whole.ResourceVersion || lean.Annotations[last] != whole.Annotations[last] {
			t.Fatalf("for the reflector: got %+v, want %+v", lean.ObjectMeta, whole.ObjectMeta)
		}
		for key := range lean.Annotations {
			if !slices.Contains(annotations, key) {
				t.Fatalf("got the annotation %q, which nobody looks at", key)
			}
		}
		if lean.ManagedFields != nil || lean.Status.Conditions != nil || lean.GenerateName != "" {
			t.Fatalf("got %+v, want what decides nothing left out", lean)
		}
	})
}

// Bytes that are no pod are refused as the generated code refuses them, which
// says more; none is taken for another pod than it would be.
func TestLeanPodOfBrokenBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, err := drawPod(t).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		seed := rapid.Uint64().Draw(t, "seed")
		random := rand.New(rand.NewPCG(seed, 0))
		for range 1 + random.IntN(3) {
			text[random.IntN(len(text))] = byte(random.Uint32())
		}
		var lean leanPod
		var whole corev1.Pod
		if err := whole.Unmarshal(text); err != nil {
			_ = lean.Unmarshal(text) // what is left out may be what is broken
			return
		}
		if err := lean.Unmarshal(text); err != nil {
			t.Fatalf("got %v for a pod", err)
		}
		if diff := cmp.Diff(whole.Status.PodIPs, lean.Status.PodIPs); diff != "" || whole.Name != lean.Name || whole.Spec.NodeName != lean.Spec.NodeName {
			t.Fatalf("got another pod: %s", diff)
		}
	})
}

func FuzzPrune(f *testing.F) {
	text, err := manyPod(1, 0).Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, data []byte) {
		once, ok := prune(nil, data, podFields)
		if !ok {
			return
		}
		if twice, ok := prune(nil, once, podFields); !ok || string(twice) != string(once) {
			t.Errorf("pruned again: got %x, want %x", twice, once)
		}
	})
}
