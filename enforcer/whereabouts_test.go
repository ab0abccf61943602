package main

import (
	"bytes"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/kube"
	"github.com/nameward/nameward/enforcer/pods"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/settings"
)

// localView is a view of which only this node's pods matter.
type localView struct {
	*kube.Snapshot
	local []*policy.Pod
}

func (v localView) Local(string) []*policy.Pod    { return v.local }
func (v localView) Addresses(string) []netip.Addr { return nil }

// S4: that something points to another interface of a pod is counted as long as it
// does, logged when it changes, and told in the pod's Events once.
func TestDoubtsAreTold(t *testing.T) {
	var events []string
	var log bytes.Buffer
	registry := prometheus.NewPedanticRegistry()
	n := newNode(newMemory(), datapath.Now, slog.New(slog.NewTextHandler(&log, nil)), newMeters(registry, build{}))
	comp := newCompiler("node-1", settings.Settings{}, n, n.log)
	w := newWhereabouts("node-1", pods.New(pods.Config{}), comp, n, nil, func(pod policy.PodRef, reason, note string) {
		events = append(events, strings.Join([]string{pod.Namespace, pod.Name, pod.UID, reason, note}, " "))
	})
	here := localView{&kube.Snapshot{}, []*policy.Pod{{Ref: podRef, Node: "node-1"}}}
	told := podRef.Namespace + " " + podRef.Name + " " + podRef.UID + " InterfaceDoubtful "
	for _, step := range []struct {
		sentence string
		view     localView
		doubt    string
		events   []string
		logged   int
		metric   string
	}{
		{"nothing to doubt", here, "", nil, 0, "0"},
		{"a doubt is told and logged", here, "a route leads over veth1", []string{told + "a route leads over veth1"}, 1, "1"},
		{"the same again is no news", here, "a route leads over veth1", nil, 0, "1"},
		{"another one is logged", here, "a route leads over veth2", nil, 1, "1"},
		{"it ends", here, "", nil, 0, "0"},
		{"and comes again", here, "a route leads over veth1", nil, 1, "1"},
		{"the pod goes", localView{Snapshot: &kube.Snapshot{}}, "", nil, 0, "0"},
		{"of a pod that nobody knows there is no Event", localView{Snapshot: &kube.Snapshot{}}, "a route leads over veth1", nil, 1, "1"},
		{"it is told when the pod is known", here, "a route leads over veth1", []string{told + "a route leads over veth1"}, 0, "1"},
	} {
		t.Run(step.sentence, func(t *testing.T) {
			events = nil
			log.Reset()
			located := &pods.Located{}
			if step.doubt != "" {
				located.Doubts = map[string]string{podRef.UID: step.doubt}
			}
			w.see(step.view)
			w.take(located)
			if !slices.Equal(events, step.events) {
				t.Errorf("got Events %q, want %q", events, step.events)
			}
			if got := strings.Count(log.String(), "level=WARN"); got != step.logged {
				t.Errorf("got %d warnings, want %d: %s", got, step.logged, &log)
			}
			if page := get(t, pages(registry, nil), "/metrics", 200); !strings.Contains(page, "nameward_interfaces_doubtful "+step.metric+"\n") {
				t.Errorf("want %s doubtful, got\n%s", step.metric, page)
			}
		})
	}
}
