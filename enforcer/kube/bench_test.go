package kube

import (
	"fmt"
	"log/slog"
	"runtime"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// manyPod is the nth pod of a large cluster: Deployments of 20.
func manyPod(n, version int) *corev1.Pod {
	of := n / 20
	now := metav1.Unix(1_700_000_000, 0)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: fmt.Sprintf("team-%03d", of%200), Name: fmt.Sprintf("service-%04d-6f7d9c8b45-%05x", of, n),
			UID: types.UID(fmt.Sprintf("%08x-1111-2222-3333-%012x", n, n)), CreationTimestamp: now,
			Labels: map[string]string{"app.kubernetes.io/name": fmt.Sprintf("service-%04d", of), "app.kubernetes.io/part-of": "shop", "pod-template-hash": "6f7d9c8b45", "tier": "backend"},
		},
		Spec: corev1.PodSpec{
			NodeName:   fmt.Sprintf("ip-10-%d-%d-1.eu-west-1.compute.internal", n%50, n%100),
			Containers: []corev1.Container{{Name: "c", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}, {Name: "metrics", ContainerPort: 9090}}}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, StartTime: &now, PodIPs: []corev1.PodIP{{IP: fmt.Sprintf("10.%d.%d.%d", 100+n>>16+version*16, n>>8&255, n&255)}}},
	}
}

func manyPods(b testing.TB, count int) *model {
	m := newModel("n1", slog.New(slog.DiscardHandler))
	for n := range count {
		put(b, m, manyPod(n, 0))
	}
	return m
}

func put(b testing.TB, m *model, p *corev1.Pod) {
	it, err := m.pods.strip(p)
	if err != nil {
		b.Fatal(err)
	}
	m.put(m.pods, it)
}

// BenchmarkChange is a pod that changes, and the snapshot after it.
func BenchmarkChange(b *testing.B) {
	for _, count := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			m := manyPods(b, count)
			last := m.snapshot("n1", nil)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				put(b, m, manyPod(i%count, 1+i%2))
				last = m.snapshot("n1", last)
			}
			if len(last.Pods) != count {
				b.Fatalf("got %d pods, want %d", len(last.Pods), count)
			}
		})
	}
}

// BenchmarkMemory says what a pod costs while it is kept.
func BenchmarkMemory(b *testing.B) {
	for _, count := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			heap := func() float64 {
				runtime.GC()
				runtime.GC()
				var s runtime.MemStats
				runtime.ReadMemStats(&s)
				return float64(s.HeapAlloc)
			}
			for b.Loop() {
				before := heap()
				m := manyPods(b, count)
				last := m.snapshot("n1", nil)
				b.ReportMetric((heap()-before)/float64(count), "B/pod")
				runtime.KeepAlive(m)
				runtime.KeepAlive(last)
			}
		})
	}
}
