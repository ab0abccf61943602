package kube

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/nameward/nameward/enforcer/settings"
)

// N8, P20: pods may ask the cluster's DNS at the addresses that its Services have,
// of both families, as they change, where nobody says which.
func TestClusterDNS(t *testing.T) {
	dns := func(namespace, name, ips string) string {
		return `{"kind":"Service","apiVersion":"v1","metadata":{"namespace":"` + namespace + `","name":"` + name + `"},"spec":{"externalIPs":["192.0.2.1"],"clusterIP":"` + strings.Split(ips, ",")[0] +
			`","clusterIPs":["` + strings.ReplaceAll(ips, ",", `","`) + `"],"ports":[{"port":53,"protocol":"UDP"}]}}`
	}
	configMap := func(data string) string {
		return `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"namespace":"nameward","name":"nameward"},"data":` + data + `}`
	}
	said := settings.Settings{ClusterDNS: []netip.Addr{netip.MustParseAddr("192.0.2.53")}}
	s := newServer(t)
	s.put(space)
	f := s.follow()
	for _, step := range []struct {
		sentence string
		change   func()
		want     string // where flags say nothing
		flagged  string // where they name 192.0.2.53
	}{
		{"no Service, no address", func() { s.put(dns("shop", "kube-dns", "10.96.0.66")) }, "[]", "[192.0.2.53]"},
		{"the addresses of both families, and no external one", func() { s.put(dns("kube-system", "kube-dns", "10.96.0.10,fd96::a")) }, "[10.96.0.10 fd96::a]", "[192.0.2.53]"},
		{"of every Service that is named", func() { s.put(dns("nameward", "nameward-dns", "10.96.0.9")) }, "[10.96.0.9 10.96.0.10 fd96::a]", "[192.0.2.53]"},
		{"a Service that is made anew", func() {
			s.remove(dns("nameward", "nameward-dns", "10.96.0.9"))
			s.put(dns("nameward", "nameward-dns", "10.96.0.10"))
			s.remove(dns("kube-system", "kube-dns", "10.96.0.10,fd96::a"))
		}, "[10.96.0.10]", "[192.0.2.53]"},
		{"one without an address", func() { s.put(dns("nameward", "nameward-dns", "None")) }, "[]", "[192.0.2.53]"},
		{"an address again", func() { s.put(dns("nameward", "nameward-dns", "10.96.0.11")) }, "[10.96.0.11]", "[192.0.2.53]"},
		{"the settings count more than all", func() { s.put(configMap(`{"clusterDNS":"192.0.2.9"}`)) }, "[192.0.2.9]", "[192.0.2.9]"},
		{"also where they say that there is none", func() { s.put(configMap(`{"clusterDNS":""}`)) }, "[]", "[]"},
		{"until they say nothing", func() { s.put(configMap(`{}`)) }, "[10.96.0.11]", "[192.0.2.53]"},
	} {
		t.Run(step.sentence, func(t *testing.T) {
			step.change()
			f.until("it is "+step.want, func(s *Snapshot) bool {
				for base, want := range map[*settings.Settings]string{{}: step.want, &said: step.flagged} {
					if fmt.Sprint(s.Settings("n1", *base).ClusterDNS) != want || fmt.Sprint(s.World("n1", *base).ClusterDNS) != want {
						return false
					}
				}
				return true
			})
		})
	}
}
