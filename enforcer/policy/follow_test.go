package policy

import (
	"maps"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/labels"
	"pgregory.net/rapid"
)

// P12, P16, P22: what changes elsewhere in the cluster, all the time, is
// followed without dividing anew, and decides as if all were looked at again.
func TestChangesElsewhere(t *testing.T) {
	w := scene(network("np", accept(podsIn("shop", "app=db"))))
	more := func(name, app, address string) *Pod {
		return &Pod{Ref: PodRef{"shop", name, name}, Node: "n2", Labels: labels.Set{"app": app}, Addresses: addrs(address)}
	}
	second, other := more("second", "db", "10.0.0.3"), more("other", "other", "10.0.0.4")
	w.Pods = append(w.Pods, second, other)
	w.Services = []*Service{shopService("10.0.0.3")}
	turned := more("second", "other", "10.0.0.3")
	for _, c := range []struct {
		sentence string
		change   func(*World)
		peer     string
		want     Verdict
	}{
		{"a pod that gets other labels", func(w *World) { w.Pods = replaced(w.Pods, second, turned) }, "10.0.0.3", Deny},
		{"the Service in front of a pod that gets other labels", func(w *World) { w.Pods = replaced(w.Pods, second, turned) }, "10.96.0.7", Deny},
		{"a pod that goes", func(w *World) { w.Pods = replaced(w.Pods, second) }, "10.0.0.3", Deny},
		{"the Service of a pod that goes", func(w *World) { w.Pods = replaced(w.Pods, second) }, "10.96.0.7", Deny},
		{"a pod that comes", func(w *World) { w.Pods = append(slices.Clip(w.Pods), more("third", "db", "10.0.0.5")) }, "10.0.0.5", Allow},
		{"a Service that gets another backend", func(w *World) { w.Services = []*Service{shopService("10.0.0.4")} }, "10.96.0.7", Deny},
		{"a Service that gets a backend more", func(w *World) { w.Services = []*Service{shopService("10.0.0.3", "10.0.0.4")} }, "10.96.0.7", Deny},
		{"a namespace that comes with its first pod", func(w *World) {
			w.Namespaces = maps.Clone(w.Namespaces)
			w.Namespaces["fresh"] = labels.Set{"team": "fresh"}
			w.Pods = append(slices.Clip(w.Pods), &Pod{Ref: PodRef{"fresh", "p", "p"}, Node: "n2", Labels: labels.Set{"app": "other"}, Addresses: addrs("10.0.0.6")})
		}, "10.0.0.6", Deny},
		{"a Service that goes", func(w *World) { w.Services = nil }, "10.96.0.7", Deny},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			from := Compile(w)
			to := *w
			c.change(&to)
			next := from.Next(&to)
			f := packet{peer: c.peer, port: 80}.flow(t, &to)
			if got := Evaluate(&to, f); got.Verdict != c.want {
				t.Errorf("rules: got %+v, want %v", got, c.want)
			}
			if got := judge(next, EndpointOf("web"), f); got.Verdict != c.want {
				t.Errorf("tables: got %+v, want %v", got, c.want)
			}
			if next.catalog != from.catalog {
				t.Error("the world was divided anew, want it followed")
			}
			back := next.Next(w)
			if got, want := judge(back, EndpointOf("web"), f), Evaluate(w, f); got.Verdict != want.Verdict {
				t.Errorf("and back: got %+v, want %v", got, want.Verdict)
			}
		})
	}
}

// replaced takes a pod out and puts others in its place.
func replaced(pods []*Pod, gone *Pod, come ...*Pod) []*Pod {
	at := slices.Index(pods, gone)
	return slices.Concat(pods[:at], come, pods[at+1:])
}

// P10: an egress rule's named port is what the pods that are there have.
func TestNamedPortsElsewhere(t *testing.T) {
	w := scene(network("np", accept(podsIn("shop", "app=db")).on(namedPort("http"))))
	moved := *w.Pods[1]
	moved.Ref.Name, moved.Ref.UID, moved.Ports = "next", "next", []NamedPort{{"http", protocolTCP, 9091}}
	to := *w
	to.Pods = replaced(w.Pods, w.Pods[1], &moved)
	next := Compile(w).Next(&to)
	for port, want := range map[uint16]Verdict{9090: Deny, 9091: Allow} {
		f := packet{peer: "10.0.0.2", port: port}.flow(t, &to)
		if got := judge(next, EndpointOf("web"), f); got.Verdict != want {
			t.Errorf("port %d: got %+v, want %v", port, got, want)
		}
	}
}

// P12: namespaces that come, go and get other labels, with pods and without, are
// followed to what is compiled anew.
func TestNextOfNamespacesIsCompile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := drawWorld(t)
		built := Compile(from)
		for i := range count(t, "changes", 1, 5) {
			to := *from
			to.Namespaces = maps.Clone(from.Namespaces)
			name := pick(t, "namespace", poolNamespaces)
			if chance(t, "goes", 3) {
				delete(to.Namespaces, name)
			} else {
				to.Namespaces[name] = drawLabels(t)
			}
			if chance(t, "a pod comes", 2) {
				p := drawPod(t, 100+i)
				to.Pods = append(slices.Clip(from.Pods), &p)
			} else if len(from.Pods) > 0 && chance(t, "a pod goes", 2) {
				to.Pods = slices.Delete(slices.Clone(from.Pods), 0, 1)
			}
			built = built.Next(&to)
			same(t, built, Compile(&to))
			from = &to
		}
	})
}

// P10, P12: the named ports of the first pods of a namespace are found by the
// labels that it comes with.
func TestNamedPortsOfANamespaceThatComes(t *testing.T) {
	w := scene(cluster(TierAdmin, 1, "cnp", accept(podsOf("team=fresh", "app=db")).on(namedPort("http")), deny()))
	to := *w
	to.Namespaces = maps.Clone(w.Namespaces)
	to.Namespaces["fresh"] = labels.Set{"team": "fresh"}
	to.Pods = append(slices.Clip(w.Pods), &Pod{
		Ref: PodRef{"fresh", "p", "p"}, Node: "n2", Labels: labels.Set{"app": "db"}, Addresses: addrs("10.0.0.6"),
		Ports: []NamedPort{{"http", protocolTCP, 9091}},
	})
	next := Compile(w).Next(&to)
	f := packet{peer: "10.0.0.6", port: 9091}.flow(t, &to)
	if got := judge(next, EndpointOf("web"), f); got.Verdict != Allow {
		t.Errorf("got %+v, want %v", got, Allow)
	}
}
