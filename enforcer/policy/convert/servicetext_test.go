package convert

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"github.com/nameward/nameward/enforcer/policy"
)

// poolPods are the pods behind the Services of the tests: web-1 and web-2 run
// on different nodes and have different numbers for the same port name.
func poolPods() []*policy.Pod {
	pod := func(namespace, name, node, app string, addresses ...string) *policy.Pod {
		p := &policy.Pod{Ref: policy.PodRef{Namespace: namespace, Name: name}, Node: node, Labels: labels.Set{"app": app, "any": "", "node": node}}
		for _, a := range addresses {
			p.Addresses = append(p.Addresses, netip.MustParseAddr(a))
		}
		return p
	}
	web1 := pod("ns", "web-1", "n1", "web", "10.0.0.1", "fd00::1")
	web1.Ports = []policy.NamedPort{{Name: "http", Protocol: 6, Number: 8080}, {Name: "dns", Protocol: 17, Number: 53}}
	web2 := pod("ns", "web-2", "n2", "web", "10.0.0.2", "fd00::2")
	web2.Ports = []policy.NamedPort{{Name: "http", Protocol: 6, Number: 9090}, {Name: "dns", Protocol: 6, Number: 5353}}
	finished := pod("ns", "job", "n1", "web", "10.0.0.3")
	finished.Finished = true
	host := pod("ns", "host", "n1", "host", "192.0.2.1")
	host.HostNetwork = true
	return []*policy.Pod{web2, web1, finished, host,
		pod("ns", "pending", "n1", "web"), pod("ns", "db", "n1", "db", "10.0.0.4"), pod("other", "web", "n1", "web", "10.0.9.9"),
		pod("ns", "nowhere", "", "loose", "10.0.0.5")}
}

func manifest[T any](t *testing.T, lines ...string) *T {
	t.Helper()
	value := new(T)
	text := strings.Join(lines, "\n")
	if err := yaml.UnmarshalStrict([]byte(text), value); err != nil {
		t.Fatalf("decoding the test's own manifest: %v\n%s", err, text)
	}
	return value
}

// slice reads an EndpointSlice of a meta line and a flow of its other fields.
func slice(t *testing.T, meta, text string) *discoveryv1.EndpointSlice {
	t.Helper()
	text = strings.TrimPrefix(strings.TrimSpace(text), "{")
	if meta != "" {
		text = meta + ", " + text
	}
	return manifest[discoveryv1.EndpointSlice](t, "{"+text)
}

func serviceText(s *policy.Service) string {
	var lines []string
	if len(s.Addresses) > 0 {
		lines = append(lines, strings.Trim(fmt.Sprint(s.Addresses), "[]"))
	}
	for _, p := range s.Ports {
		line := portText(policy.Port{Protocol: p.Protocol, First: p.Port, Last: p.Port}) + " to"
		for _, b := range p.Backends {
			line += " " + netip.AddrPortFrom(b.Addr, b.Port).String()
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func faultsText(all []Fault) string {
	var lines []string
	for _, f := range all {
		lines = append(lines, f.Field+": "+f.Reason)
	}
	return strings.Join(lines, "\n")
}
