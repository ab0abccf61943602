package main

import (
	"strings"
	"testing"

	"github.com/nameward/nameward/hack/chart/render"
)

// S5: a value that cannot be is refused before anything is made, by a sentence
// that names it and what would be right.
func TestBadValuesAreRefused(t *testing.T) {
	for _, row := range []struct {
		sentence string
		set      []string
		want     []string
	}{
		{"a word that is no value", []string{"enforcr.logLevel=info"}, []string{"at '': additional properties 'enforcr' not allowed"}},
		{"one deeper down", []string{"dns.replica=3"}, []string{"at '/dns': additional properties 'replica' not allowed"}},
		{"a setting that enforcers do not know", []string{"settings.minTtl=30s"}, []string{"at '/settings': additional properties 'minTtl' not allowed"}},
		{"a mode of DNS that there is not", []string{"dns.mode=forward"}, []string{"at '/dns/mode'", "'beside', 'replace', 'node-local', 'none'"}},
		{"a default in the wrong case", []string{"settings.default=allow"}, []string{"at '/settings/default'", "'Allow', 'Deny'"}},
		{"a start posture that is a default", []string{"settings.startPosture=Allow"}, []string{"at '/settings/startPosture'", "'Deny', 'Default'"}},
		{"a number that is a word", []string{"dns.replicas=many"}, []string{"at '/dns/replicas': got string, want integer"}},
		{"no replica", []string{"dns.replicas=0"}, []string{"at '/dns/replicas': minimum: got 0, want 1"}},
		{"a plugin mode that is a boolean", []string{"cni.mode=true"}, []string{"at '/cni/mode'", "'required', 'best-effort', 'off'"}},
		{"a folder that is not absolute", []string{"cni.binDir=opt/cni/bin"}, []string{"at '/cni/binDir'", "'opt/cni/bin' does not match pattern '^/"}},
		{"a capability with its prefix", []string{"enforcer.capabilities={CAP_BPF}"}, []string{"at '/enforcer/capabilities/0'", "'BPF', "}},
		{"a network that is an address", []string{"settings.guardAllow={10.0.0.0}"}, []string{"at '/settings/guardAllow/0': '10.0.0.0' does not match pattern '^[0-9a-fA-F.:]+/[0-9]{1,3}$'"}},
		{"an address that is a name", []string{"settings.clusterDNS={kube-dns}"}, []string{"at '/settings/clusterDNS/0'", "'kube-dns' is not valid ipv4"}},
		{"a fixed address that is a network", []string{"dns.service.clusterIP=10.96.0.0/16"}, []string{"at '/dns/service/clusterIP'", "is not valid ipv4"}},
		{"a time without unit", []string{"settings.grace=60"}, []string{"at '/settings/grace': got number, want string"}},
		{"a time with another unit", []string{"settings.minTTL=1d"}, []string{"at '/settings/minTTL': '1d' does not match pattern"}},
		{"a port that is too large", []string{"enforcer.metrics.port=70000"}, []string{"at '/enforcer/metrics/port': maximum: got 70,000, want 65,535"}},
		{"a target without scheme", []string{"enforcer.dnsTargets={dns.example.org:7353}"}, []string{"at '/enforcer/dnsTargets/0': 'dns.example.org:7353' does not match pattern '^(unix:///"}},
		{"a tag in the repository's place", []string{"dns.image.repository=Nameward/CoreDNS"}, []string{"at '/dns/image/repository'"}},
		{"a digest without its algorithm", []string{"enforcer.image.digest=0123"}, []string{"at '/enforcer/image/digest': '0123' does not match pattern '^(sha256:"}},
		{"a policy of pulling that there is not", []string{"enforcer.image.pullPolicy=ifNotPresent"}, []string{"at '/enforcer/image/pullPolicy'", "'Always', 'IfNotPresent', 'Never'"}},
		{"a word of the Corefile that is not an option of ours", []string{"dns.pluginOptions={cache 30}"}, []string{"at '/dns/pluginOptions/0': 'cache 30' does not match pattern '^(hold|"}},
		{"an interface's name that the kernel would not take", []string{"dns.nodeLocal.interface=nameward-node-local-dns"}, []string{"at '/dns/nodeLocal/interface'"}},
		{"more nodes at once than there are", []string{"enforcer.maxUnavailable=150%"}, []string{"at '/enforcer/maxUnavailable'"}},
		{"certificates from nowhere", []string{"certificates.source=vault"}, []string{"at '/certificates/source'", "'chart', 'cert-manager', 'existing'"}},
		{"an argument that is none", []string{"enforcer.extraArgs={nat64}"}, []string{"at '/enforcer/extraArgs/0': 'nat64' does not match pattern '^--'"}},
		{"replace, but whom", []string{"dns.mode=replace"}, []string{"dns.mode is replace, and dns.service.clusterIP is empty: set it to the address of the cluster's DNS"}},
		{"a Service of no namespace", []string{"enforcer.clusterDNSServices={kube-dns}"}, []string{"at '/enforcer/clusterDNSServices/0'", "'kube-dns' does not match pattern"}},
		{"node-local, but in front of what", []string{"dns.mode=node-local"}, []string{"dns.mode is node-local, and dns.nodeLocal.clusterDNS is empty: set it to"}},
		{"node-local in front of itself", []string{"dns.mode=node-local", "dns.nodeLocal.clusterDNS=169.254.20.10"}, []string{"CoreDNS would ask itself"}},
		{"node-local, but no enforcer listens", []string{"dns.mode=node-local", "dns.nodeLocal.clusterDNS=10.96.0.10", "enforcer.dnsTargets={tcp://x:7353}"}, []string{"add it, or leave enforcer.dnsTargets empty"}},
		{"one folder for two things", []string{"cni.confDir=/opt/cni", "cni.binDir=/opt/cni"}, []string{"must be three folders"}},
		{"a profile without type", []string{"enforcer.appArmorProfile.type=null", "enforcer.appArmorProfile.localhostProfile=x"}, []string{"enforcer.appArmorProfile has no type"}},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			_, err := render.Chart(chartFolder, namespace, full, row.set...)
			if err == nil {
				t.Fatalf("got no error for %q", row.set)
			}
			for _, want := range row.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
			t.Log(err)
		})
	}
}
