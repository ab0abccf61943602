package kube

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// P16, P21, D9: a static pod is the one that its kubelet runs, whose UID CNI is
// told, and not the object that mirrors it; and nobody becomes it, or anybody else,
// by saying so.
func TestStaticPods(t *testing.T) {
	const (
		uid, other               = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
		dashed                   = "6fa459ea-ee8a-3ca4-894e-db77e160355e"
		first, early, noon, late = "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-01T12:00:00Z", "2026-01-01T23:00:00Z"
	)
	mirrored := func(name, own, created, of string, ips ...string) string {
		return running(name, own, `,"creationTimestamp":"`+created+`","annotations":{"kubernetes.io/config.source":"file","kubernetes.io/config.hash":"`+of+`","kubernetes.io/config.mirror":"`+of+`"}`, ips...)
	}
	leaving := func(pod string) string {
		return strings.Replace(pod, `"annotations"`, `"deletionTimestamp":"2026-01-02T00:00:00Z","annotations"`, 1)
	}
	m := newModel("n1", slog.New(slog.DiscardHandler))
	put := func(texts ...string) {
		for _, text := range texts {
			m.take(t, m.pods, text, &corev1.Pod{})
		}
	}
	remove := func(names ...string) {
		for _, name := range names {
			m.drop(m.pods, key{"shop", name})
		}
	}
	var last *Snapshot
	for _, step := range []struct {
		sentence string
		change   func()
		want     map[string]string // UID and addresses by name
	}{
		{"the mirror is the static pod", func() { put(mirrored("web", "own-1", noon, uid)) }, map[string]string{"web": uid}},
		{"it stays so with an address", func() { put(mirrored("web", "own-1", noon, uid, "10.1.0.1")) }, map[string]string{"web": uid + " 10.1.0.1"}},
		{"a newer object that says so is not", func() { put(mirrored("evil", "own-2", late, uid)) }, map[string]string{"web": uid + " 10.1.0.1", "evil": "own-2"}},
		{"also when it is told of again", func() { put(mirrored("evil", "own-2", late, uid, "10.1.0.2")) }, map[string]string{"web": uid + " 10.1.0.1", "evil": "own-2 10.1.0.2"}},
		{"and when empty places are given up", func() { m.pods.gather() }, map[string]string{"web": uid + " 10.1.0.1", "evil": "own-2 10.1.0.2"}},
		{"a rival for its address leaves it the UID", func() { put(running("rival", "r", `,"creationTimestamp":"`+late+`"`, "10.1.0.1")) }, map[string]string{"web": uid, "evil": "own-2 10.1.0.2", "rival": "r 10.1.0.1"}},
		{"an older one that comes to be known later is, and what another has is still not the first one's", func() { put(mirrored("old", "own-0", early, uid)) }, map[string]string{"old": uid, "web": "own-1", "evil": "own-2 10.1.0.2", "rival": "r 10.1.0.1"}},
		{"of another node it says nothing of this one's", func() {
			remove("rival")
			put(strings.Replace(mirrored("elsewhere", "own-9", first, uid), `"nodeName":"n1"`, `"nodeName":"n2"`, 1))
		}, map[string]string{"old": uid, "web": "own-1 10.1.0.1", "evil": "own-2 10.1.0.2", "elsewhere": ""}},
		{"one that is being deleted gives way to those that stay", func() { put(leaving(mirrored("old", "own-0", early, uid))) }, map[string]string{"old": "own-0", "web": uid + " 10.1.0.1", "evil": "own-2 10.1.0.2", "elsewhere": ""}},
		{"but is the static pod where nobody else is", func() {
			put(leaving(mirrored("web", "own-1", noon, uid, "10.1.0.1")))
			remove("old", "evil", "elsewhere")
		}, map[string]string{"web": uid + " 10.1.0.1"}},
		{"one that the kubelet makes anew is the same pod", func() { remove("web"); put(mirrored("web", "own-3", late, uid, "10.1.0.1")) }, map[string]string{"web": uid + " 10.1.0.1"}},
		{"a changed file makes another pod", func() { put(mirrored("web", "own-4", late, other)) }, map[string]string{"web": other}},
		{"nobody becomes a pod that no kubelet made", func() { put(running("pod", dashed, ""), mirrored("evil", "own-5", first, dashed)) }, map[string]string{"web": other, "pod": dashed, "evil": "own-5"}},
		{"also before that one is known", func() { remove("pod") }, map[string]string{"web": other, "evil": "own-5"}},
		{"nobody becomes a pod of the API, whatever its UID looks like", func() { remove("evil"); put(running("pod", uid, ""), mirrored("evil", "own-6", first, uid)) }, map[string]string{"web": other, "pod": uid, "evil": "own-6"}},
		{"but where that has gone, a static pod", func() { remove("pod") }, map[string]string{"web": other, "evil": uid}},
		{"and not when that comes later", func() { put(running("pod", uid, "")) }, map[string]string{"web": other, "pod": uid, "evil": "own-6"}},
		{"nor by what a mirror is called in the API", func() {
			remove("pod", "evil")
			put(mirrored("web", uid, late, other), mirrored("evil", "own-7", first, uid))
		}, map[string]string{"web": other, "evil": "own-7"}},
	} {
		t.Run(step.sentence, func(t *testing.T) {
			step.change()
			last = m.snapshot("n1", last)
			got, local := map[string]string{}, map[string]string{}
			for _, p := range last.Pods {
				got[p.Ref.Name] = strings.TrimSpace(p.Ref.UID + " " + addresses(p))
			}
			for _, p := range last.Local("n1") {
				local[p.Ref.Name] = strings.TrimSpace(p.Ref.UID + " " + addresses(p))
			}
			if diff := cmp.Diff(step.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			delete(got, "elsewhere")
			if diff := cmp.Diff(got, local); diff != "" {
				t.Errorf("of this node, -want +got:\n%s", diff)
			}
		})
	}
	remove("web", "evil")
	if len(m.pods.uids)+len(m.pods.mirrors)+len(m.pods.said) > 0 {
		t.Errorf("got %v, %v and %v kept of pods that are gone", m.pods.uids, m.pods.mirrors, m.pods.said)
	}
}
