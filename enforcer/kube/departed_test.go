package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// sliceOf is the EndpointSlice x of the Service shop/web. Each endpoint is an
// address, with =UID behind it where it is a pod.
func sliceOf(x string, all ...string) string {
	var texts []string
	for _, text := range all {
		address, uid, is := strings.Cut(text, "=")
		text = `{"addresses":["` + address + `"],"conditions":{"ready":true}`
		if is {
			text += `,"targetRef":{"kind":"Pod","namespace":"shop","name":"some","uid":"` + uid + `"}`
		}
		texts = append(texts, text+"}")
	}
	return `{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","addressType":"IPv4","metadata":{"namespace":"shop","name":"web-` + x +
		`","labels":{"kubernetes.io/service-name":"web"}},"endpoints":[` + strings.Join(texts, ",") + `],"ports":[{"name":"","port":80,"protocol":"TCP"}]}`
}

// elsewhere is a pod of another node.
func elsewhere(name, uid string, ips ...string) string {
	return strings.Replace(running(name, uid, "", ips...), `"nodeName":"n1"`, `"nodeName":"n2"`, 1)
}

func behindWeb(s *Snapshot) string {
	var all []string
	for _, b := range s.Services[0].Ports[0].Backends {
		all = append(all, b.Addr.String())
	}
	return strings.Join(all, " ")
}

// keeps says how many pods are known to be named by slices, and how many of
// those to have left.
func (f *follower) keeps() string {
	m := f.source.model
	m.mu.Lock()
	defer m.mu.Unlock()
	return fmt.Sprintf("%d named, %d left", len(m.backends.departed.named), len(m.backends.departed.left))
}

// P16, P22: pods and slices come on streams of their own, so a slice names pods
// that have left and pods that have not come.
func TestDeparted(t *testing.T) {
	const service = `{"kind":"Service","apiVersion":"v1","metadata":{"namespace":"shop","name":"web"},"spec":{"selector":{"app":"web"},"clusterIP":"10.96.0.1","ports":[{"port":80}]}}`
	finished := func(pod string) string { return strings.Replace(pod, "Running", "Succeeded", 1) }
	host := func(pod string) string {
		return strings.Replace(pod, `"containers"`, `"hostNetwork":true,"containers"`, 1)
	}
	one, two := elsewhere("web-1", "first", "10.1.0.1"), running("web-2", "second", "", "10.1.0.2")
	both := sliceOf("x", "10.1.0.1=first", "10.1.0.2=second")
	type step struct {
		says   string
		change func(*server)
		behind string
		keeps  string
	}
	put := func(texts ...string) func(*server) { return func(s *server) { s.put(texts...) } }
	remove := func(texts ...string) func(*server) { return func(s *server) { s.remove(texts...) } }
	for _, c := range []struct {
		sentence string
		start    []string
		behind   string
		steps    []step
	}{
		{"a pod that is deleted before the slice changes", []string{one, two, both}, "10.1.0.1 10.1.0.2", []step{
			{"is no backend", remove(one), "10.1.0.2", "2 named, 1 left"},
			{"nor is it when the slice changes otherwise", put(sliceOf("x", "10.1.0.1=first", "10.1.0.2=second", "10.1.0.3=third")), "10.1.0.2 10.1.0.3", "3 named, 1 left"},
			{"and is forgotten with the slice's word of it", put(sliceOf("x", "10.1.0.2=second")), "10.1.0.2", "1 named, 0 left"},
			{"and nothing is kept of the last", remove(two), "", "1 named, 1 left"},
			{"when the slice is gone", remove(sliceOf("x")), "", "0 named, 0 left"},
		}},
		{"a pod of this node that is finished", []string{one, two, both}, "10.1.0.1 10.1.0.2", []step{
			{"is no backend", put(finished(two)), "10.1.0.1", "2 named, 1 left"},
			{"nor is it once it is deleted", func(s *server) { s.remove(two); s.put(elsewhere("web-1", "first", "10.1.0.7")) }, "", "2 named, 2 left"},
		}},
		{"a pod that had finished when it was first heard of", []string{both}, "10.1.0.1 10.1.0.2", []step{
			{"is no backend", put(finished(one)), "10.1.0.2", "2 named, 1 left"},
		}},
		{"a pod that loses its address", []string{one, two, both}, "10.1.0.1 10.1.0.2", []step{
			{"is no backend by it", put(elsewhere("web-1", "first")), "10.1.0.2", "2 named, 1 left"},
			{"but again when it has it again", put(one), "10.1.0.1 10.1.0.2", "2 named, 0 left"},
			{"and is not when it has another", put(elsewhere("web-1", "first", "10.1.0.9")), "10.1.0.2", "2 named, 1 left"},
		}},
		{"an address that another pod uses again", []string{one, two, both}, "10.1.0.1 10.1.0.2", []step{
			{"is a backend no more before that", remove(one), "10.1.0.2", "2 named, 1 left"},
			{"is a backend then: the service proxy leads there, to whoever it is", put(elsewhere("db", "third", "10.1.0.1")), "10.1.0.1 10.1.0.2", "2 named, 1 left"},
			{"until that pod has gone, too", remove(elsewhere("db", "third", "10.1.0.1")), "10.1.0.2", "2 named, 1 left"},
		}},
		{"an address that another pod uses already", []string{one, two, both, elsewhere("db", "third", "10.1.0.1")}, "10.1.0.1 10.1.0.2", []step{
			{"stays a backend when the old one is deleted", func(s *server) { s.remove(one); s.remove(two) }, "10.1.0.1", "2 named, 2 left"},
		}},
		{"a pod of the same name and address but another UID (P21)", []string{one, two, both}, "10.1.0.1 10.1.0.2", []step{
			{"is judged where the slice names the old one", func(s *server) {
				s.put(elsewhere("web-1", "again", "10.1.0.1"))
				s.remove(two)
			}, "10.1.0.1", "2 named, 2 left"},
			{"and where it names the new one", put(sliceOf("x", "10.1.0.1=again", "10.1.0.2=second")), "10.1.0.1", "2 named, 1 left"},
			{"and is no backend when it goes", remove(elsewhere("web-1", "again", "10.1.0.1")), "", "2 named, 2 left"},
		}},
		{"a slice that comes before its pod", []string{two, sliceOf("x", "10.1.0.2=second")}, "10.1.0.2", []step{
			{"closes the Service for what nobody knows", put(both), "10.1.0.1 10.1.0.2", "2 named, 0 left"},
			{"until the pod comes, or is no backend", func(s *server) { s.put(one); s.remove(two) }, "10.1.0.1", "2 named, 1 left"},
		}},
		{"an address that the deleted pod never had", []string{one, two, sliceOf("x", "10.1.0.5=first", "10.1.0.2=second")}, "10.1.0.2 10.1.0.5", []step{
			{"stays a backend: whoever writes slices may name any pod", func(s *server) { s.remove(one); s.remove(two) }, "10.1.0.5", "2 named, 2 left"},
		}},
		{"an endpoint without a pod", []string{one, two, sliceOf("x", "10.1.0.1", "10.1.0.2=second")}, "10.1.0.1 10.1.0.2", []step{
			{"stays a backend", func(s *server) { s.remove(one); s.remove(two) }, "10.1.0.1", "1 named, 1 left"},
		}},
		{"a hostNetwork pod (P17)", []string{host(one), two, both}, "10.1.0.1 10.1.0.2", []step{
			{"leaves a backend behind, which is its node", func(s *server) { s.remove(host(one)); s.remove(two) }, "10.1.0.1", "2 named, 1 left"},
		}},
		{"a Service without slices", []string{one, two}, "10.1.0.1 10.1.0.2", []step{
			{"has the pods that are there", remove(one), "10.1.0.2", "0 named, 0 left"},
			{"and are not finished", put(finished(two)), "", "0 named, 0 left"},
		}},
		{"a pod in two slices", []string{one, two, both, sliceOf("y", "10.1.0.1=first")}, "10.1.0.1 10.1.0.2", []step{
			{"is a backend by neither", remove(one), "10.1.0.2", "2 named, 1 left"},
			{"also when one of them goes", func(s *server) { s.put(sliceOf("x", "10.1.0.1=first")) }, "", "1 named, 1 left"},
		}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			s := newServer(t)
			s.put(append([]string{space, service}, c.start...)...)
			f := s.follow()
			f.until(c.behind+" is behind the Service", func(s *Snapshot) bool { return behindWeb(s) == c.behind })
			for _, step := range c.steps {
				step.change(s)
				f.until(step.says, func(s *Snapshot) bool { return behindWeb(s) == step.behind && f.keeps() == step.keeps })
			}
		})
	}
}

// P22: a snapshot waits for pods that a slice names already, and for those that
// nobody else has heard of no longer than between any two.
func TestEarly(t *testing.T) {
	const soon = shortPause / 5
	type story = func(*testing.T, *Source)
	pods := func(texts ...string) story {
		return func(t *testing.T, s *Source) {
			for _, text := range texts {
				s.model.take(t, s.model.pods, text, &corev1.Pod{})
			}
		}
	}
	slice := func(x string) story {
		return func(t *testing.T, s *Source) {
			s.model.take(t, s.model.backends, sliceOf(x, "10.1.0.1=first"), &discoveryv1.EndpointSlice{})
		}
	}
	first := running("web-1", "first", "", "10.1.0.1")
	unread := func(_ *testing.T, s *Source) { s.health.expect(podKind) }
	read := func(_ *testing.T, s *Source) {
		s.health.read(podKind)
		s.model.signal()
	}
	for _, c := range []struct {
		sentence string
		before   []story
		comes    story
		waits    time.Duration
	}{
		{"the pod comes", nil, pods(first), soon},
		{"it comes without its address", nil, pods(running("web-1", "first", "")), shortPause},
		{"another pod comes", nil, pods(running("web-2", "second", "", "10.1.0.2")), shortPause},
		{"it was there before", []story{pods(first)}, pods(), 0},
		{"it was there, and has left", []story{pods(first), slice("y"), pods(strings.Replace(first, "Running", "Succeeded", 1))}, pods(), 0},
		{"an earlier snapshot has waited for it", []story{slice("x"), slice("y")}, pods(), 0},
		{"pods have not been read yet", []story{unread}, read, soon + shortPause},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := slog.New(slog.DiscardHandler)
				s := &Source{model: newModel("n1", log), health: newHealth(time.Now, log), http: &http.Client{}, config: Config{Node: "n1", Clock: time.Now}}
				for _, happened := range c.before {
					happened(t, s)
					s.model.snapshot("n1", nil)
				}
				slice("x")(t, s)
				s.model.signal()
				var comes sync.WaitGroup
				defer comes.Wait()
				comes.Go(func() {
					time.Sleep(soon)
					c.comes(t, s)
				})
				began, waited := time.Now(), time.Duration(-1)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				err := s.Run(ctx, func(*Snapshot) {
					if waited < 0 {
						waited = time.Since(began)
					}
					if s.model.early() {
						t.Error("the next snapshot would wait again")
					}
					cancel()
				})
				if err != nil || waited != c.waits {
					t.Errorf("got %v and a wait of %v, want one of %v", err, waited, c.waits)
				}
			})
		})
	}
}

// take reads an object and puts it on its shelf.
func (m *model) take(t *testing.T, s shelf, text string, into runtime.Object) {
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Error(err)
	}
	it, err := s.strip(into)
	if err != nil {
		t.Error(err)
	}
	m.put(s, it)
}
