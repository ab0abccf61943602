package kube

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/settings"
)

func addresses(p *policy.Pod) string {
	if p == nil {
		return "gone"
	}
	return strings.Trim(fmt.Sprint(p.Addresses), "[]")
}

// P16, P17, P20, P21: what becomes of pods, one step after the other.
func TestPods(t *testing.T) {
	s := newServer(t)
	s.put(space)
	f := s.follow()
	leaving := `,"deletionTimestamp":"2026-01-01T00:00:00Z","creationTimestamp":"2026-01-01T00:00:00Z"`
	for _, step := range []struct {
		name   string
		change func()
		want   map[string]string
	}{
		{"a pod without address is there", func() { s.put(running("a", "a", "")) }, map[string]string{"a": ""}},
		{"P20: it has the addresses of both families", func() { s.put(running("a", "a", "", "10.1.0.1", "fd00::a")) }, map[string]string{"a": "10.1.0.1 fd00::a"}},
		{"P16: it stays while it terminates", func() { s.put(running("a", "a", leaving, "10.1.0.1", "fd00::a"), running("z", "z", "", "10.1.0.9")) }, map[string]string{"a": "10.1.0.1 fd00::a", "z": "10.1.0.9"}},
		{"P16: a newer pod has the address that an old one names too", func() { s.put(running("b", "b", "", "10.1.0.1")) }, map[string]string{"a": "fd00::a", "b": "10.1.0.1"}},
		{"P16: the old one may be told of again", func() { s.put(running("a", "a", leaving+`,"labels":{"x":"y"}`, "10.1.0.1", "fd00::a")) }, map[string]string{"a": "fd00::a", "b": "10.1.0.1"}},
		{"P16: the newer one goes first, and the old one has it again", func() { s.remove(running("b", "b", "", "10.1.0.1")) }, map[string]string{"a": "10.1.0.1 fd00::a", "b": "gone"}},
		{"P16: it leaves at once when it is finished", func() {
			s.put(strings.Replace(running("a", "a", "", "10.1.0.1"), "Running", "Succeeded", 1))
		}, map[string]string{"a": "gone"}},
		{"P16: a failed one never comes", func() {
			s.put(strings.Replace(running("c", "c", "", "10.1.0.1"), "Running", "Failed", 1), running("d", "d", "", "10.1.0.1"))
		}, map[string]string{"c": "gone", "d": "10.1.0.1"}},
		{"P17: a pod of the host's network takes no address from others", func() {
			s.put(strings.Replace(running("h", "h", "", "10.1.0.1"), `"containers"`, `"hostNetwork":true,"containers"`, 1))
		}, map[string]string{"d": "10.1.0.1", "h": "10.1.0.1"}},
	} {
		t.Run(step.name, func(t *testing.T) {
			step.change()
			s := f.until("it is so", func(s *Snapshot) bool {
				for name, want := range step.want {
					if addresses(find(s, name)) != want {
						return false
					}
				}
				return true
			})
			if h := find(s, "h"); h != nil && !h.HostNetwork {
				t.Error("got a pod of its own network")
			}
			if got, want := len(s.Local("n1")), len(s.Pods); got != want || len(s.World("n1", settings.Settings{}).Pods) != want {
				t.Errorf("got %d local pods of %d", got, want)
			}
		})
	}
}

// P21: a pod is its UID. One that has the name of another is another pod.
func TestNameUsedAgain(t *testing.T) {
	s := newServer(t)
	s.put(space, running("job", "first", "", "10.1.0.1"))
	f := s.follow()
	before := f.until("the first is there", func(s *Snapshot) bool { return find(s, "job") != nil })
	s.remove(running("job", "first", "", "10.1.0.1"))
	s.put(running("job", "second", "", "10.1.0.1"))
	after := f.until("the second is there", func(s *Snapshot) bool { p := find(s, "job"); return p != nil && p.Ref.UID == "second" })
	if find(before, "job").Ref.UID != "first" || len(after.Pods) != 1 {
		t.Errorf("got %v and %v", before.Pods, after.Pods)
	}
}

// P10: named ports count, those of restartable init containers as well; P12: a
// pod whose labels change is another value, and others share theirs.
func TestStripped(t *testing.T) {
	s := newServer(t)
	ports := `"initContainers":[{"name":"i","restartPolicy":"Always","ports":[{"name":"side","containerPort":15000}]},{"name":"j","ports":[{"name":"no","containerPort":1}]}],"containers":[{"name":"c","ports":[{"name":"dns","protocol":"UDP","containerPort":53},{"containerPort":80}]}]`
	with := func(name string) string {
		return strings.Replace(running(name, name, "", "10.1.0."+name[len(name)-1:]), `"containers":[]`, ports, 1)
	}
	s.put(space, with("web-1"), with("web-2"))
	f := s.follow()
	got := f.until("both are there", func(s *Snapshot) bool { return len(s.Pods) == 2 })
	a, b := find(got, "web-1"), find(got, "web-2")
	want := []policy.NamedPort{{Name: "side", Protocol: 6, Number: 15000}, {Name: "dns", Protocol: 17, Number: 53}}
	if fmt.Sprint(a.Ports) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", a.Ports, want)
	}
	if &a.Ports[0] != &b.Ports[0] || fmt.Sprintf("%p", a.Labels) != fmt.Sprintf("%p", b.Labels) {
		t.Error("pods of the same labels and ports share neither")
	}
	s.put(strings.Replace(with("web-1"), `"app":"web"`, `"app":"db"`, 1))
	f.until("it is relabelled", func(s *Snapshot) bool {
		return find(s, "web-1").Labels["app"] == "db" && find(s, "web-2").Labels["app"] == "web"
	})
}

// P22: a Service is what its slices say, only it changes when they do, and until
// the first slice comes it is the pods it selects.
func TestServices(t *testing.T) {
	s := newServer(t)
	service := func(name, ip string) string {
		return `{"kind":"Service","apiVersion":"v1","metadata":{"namespace":"shop","name":"` + name + `"},"spec":{"selector":{"app":"a"},"clusterIP":"` + ip + `","ports":[{"port":80,"targetPort":8080}]}}`
	}
	slice := func(name, of, ip string) string {
		return `{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","addressType":"IPv4","metadata":{"namespace":"shop","name":"` + name + `","labels":{"kubernetes.io/service-name":"` + of + `"}},"endpoints":[{"addresses":["` + ip + `"],"nodeName":"n1","conditions":{"ready":true}}],"ports":[{"name":"","port":8080,"protocol":"TCP"}]}`
	}
	behind := func(s *Snapshot, i int) string {
		return fmt.Sprint(s.Services[i].Addresses, s.Services[i].Ports[0].Backends)
	}
	s.put(space, running("a", "a", "", "10.1.0.1"), service("one", "10.96.0.1"), service("two", "10.96.0.2"), slice("two-x", "two", "10.1.0.7"))
	f := s.follow()
	before := f.until("both are there", func(s *Snapshot) bool { return len(s.Services) == 2 })
	for i, want := range []string{"[10.96.0.1] [{10.1.0.1 8080}]", "[10.96.0.2] [{10.1.0.7 8080}]"} {
		if got := behind(before, i); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	s.put(running("a", "a", "", "10.1.0.2"))
	moved := f.until("the pod behind the first has moved", func(s *Snapshot) bool { return behind(s, 0) == "[10.96.0.1] [{10.1.0.2 8080}]" })
	if moved.Services[1] != before.Services[1] {
		t.Error("got the other Service changed")
	}
	s.put(slice("one-x", "one", "10.1.0.3"), slice("one-y", "one", "10.1.0.4"))
	f.until("the slices are behind it", func(s *Snapshot) bool { return behind(s, 0) == "[10.96.0.1] [{10.1.0.3 8080} {10.1.0.4 8080}]" })
	if got, err := f.source.Endpoints("shop", "one"); err != nil || fmt.Sprint(got) != "[10.1.0.3 10.1.0.4]" {
		t.Errorf("endpoints: got %v and %v", got, err)
	}
	if _, err := f.source.Endpoints("shop", "none"); err == nil {
		t.Error("got endpoints of a Service that is not there")
	}
	s.put(slice("one-y", "two", "10.1.0.4"))
	f.until("a slice belongs to another", func(s *Snapshot) bool {
		return behind(s, 0) == "[10.96.0.1] [{10.1.0.3 8080}]" && behind(s, 1) == "[10.96.0.2] [{10.1.0.4 8080} {10.1.0.7 8080}]"
	})
	s.remove(service("one", "10.96.0.1"))
	f.until("one is gone", func(s *Snapshot) bool { return len(s.Services) == 1 && s.Services[0].Name == "two" })
}
