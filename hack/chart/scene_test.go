package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/nameward/nameward/hack/chart/render"
)

// full is a cluster that knows all that the chart looks for.
var full = render.Cluster{APIs: []string{"cert-manager.io/v1", "monitoring.coreos.com/v1", "monitoring.coreos.com/v1/PodMonitor"}}

var (
	replaced  = []string{"dns.mode=replace", "dns.service.clusterIP=10.96.0.10"}
	nodeLocal = []string{"dns.mode=node-local", "dns.nodeLocal.clusterDNS=10.96.0.10"}
)

// valueSets are what users ask for, one feature after another.
var valueSets = []struct {
	sentence string
	set      []string
}{
	{"nothing but defaults", nil},
	{"the cluster's DNS replaced", replaced},
	{"CoreDNS on each node", nodeLocal},
	{"no CoreDNS, enforcers dial one elsewhere", []string{"dns.mode=none", "enforcer.dnsTargets={tcp://dns.example.org:7353}"}},
	{"no CoreDNS at all", []string{"dns.mode=none"}},
	{"certificates of cert-manager", []string{"certificates.source=cert-manager"}},
	{"certificates of cert-manager and somebody's issuer", []string{"certificates.source=cert-manager", "certificates.certManager.issuerRef.name=corporate", "certificates.certManager.issuerRef.kind=ClusterIssuer"}},
	{"certificates that are there", []string{"certificates.source=existing", "certificates.secret=mine", "certificates.caConfigMap=my-ca"}},
	{"the chain plugin required", []string{"cni.mode=required", "cni.confDir=/etc/kubernetes/cni", "cni.binDir=/usr/libexec/cni"}},
	{"no chain plugin", []string{"cni.mode=off"}},
	{"one more capability, and the processes of the host", []string{"enforcer.capabilities={BPF,NET_ADMIN,PERFMON,SYS_ADMIN}", "enforcer.hostPID=true"}},
	{"a node where SELinux reigns", []string{"enforcer.seLinuxOptions.type=spc_t", "enforcer.appArmorProfile=null"}},
	{"metrics for the node alone", []string{"enforcer.metrics.host=127.0.0.1", "enforcer.metrics.port=19099"}},
	{"metrics for the node alone, by IPv6", []string{"enforcer.metrics.host=::1"}},
	{"images of a mirror", []string{"enforcer.image.repository=mirror.example:5000/nw/enforcer", "dns.image.tag=1.2.3", "imagePullSecrets[0].name=mirror",
		"enforcer.image.digest=sha256:0123456789012345678901234567890123456789012345678901234567890123"}},
	{"an API server that no Service leads to", []string{"apiServer.host=api.example.org", "apiServer.port=6443"}},
	{"closed by default, on trial", []string{"settings.default=Deny", "settings.mode=audit", "settings.clusterDNS={10.96.0.10,fd96::a}", "settings.guardAllow={10.9.0.0/16}", "settings.guardInCluster=true", "settings.addressesPerName=50"}},
	{"DNS by Services of other names", []string{"enforcer.clusterDNSServices={openshift-dns/dns-default}"}},
	{"interfaces by name", []string{"enforcer.podInterfaces={eni*,cali*}", "enforcer.ignoreInterfaces={cilium*}", "enforcer.netnsDirectories={/run/netns,/run/docker/netns}"}},
	{"a Corefile of one's own", []string{"dns.corefile=.:53 {\n  whoami\n}\n"}},
	{"more in the Corefile", []string{"dns.pluginOptions={hold 500ms servfail,lockdown nxdomain cluster.local}", "dns.serverBlocks=corp.example:53 {\n  nameward\n  forward . 192.0.2.53\n}\n", "dns.upstream={192.0.2.1,192.0.2.2}", "dns.clusterDomain=k8s.example", "dns.reverseZones={10.0.0.0/8}"}},
	{"enforcers known by their addresses", []string{"networkPolicy.nodeCIDRs={10.0.0.0/16,fd00::/48}", "networkPolicy.upstreamPorts={53,853}"}},
	{"no network policy, no budget", []string{"networkPolicy.enabled=false", "dns.podDisruptionBudget=false"}},
	{"metrics always collected", []string{"monitoring.podMonitor=always", "monitoring.labels.release=prometheus"}},
	{"metrics of each node's CoreDNS", append([]string{"monitoring.podMonitor=always"}, nodeLocal...)},
	{"labels, annotations, resources", []string{"enforcer.podLabels.team=net", "enforcer.podAnnotations.a=b", "dns.podLabels.k8s-app=kube-dns", "dns.podAnnotations.a=b", "dns.resources=null", "enforcer.resources=null", "enforcer.extraArgs={--nat64=2001:db8::/96}"}},
	{"every node's removal", []string{"removal.enabled=true"}},
	{"every node's removal, with its CoreDNS", append([]string{"removal.enabled=true"}, nodeLocal...)},
	{"no hook", []string{"removal.hook=false"}},
}

// objects are what a release consists of, by kind and name, as the API's types;
// hooks are among them.
type objects map[string]runtime.Object

var strict = serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()

// foreign are kinds that others define.
var foreign = []string{"Certificate.cert-manager.io", "Issuer.cert-manager.io", "PodMonitor.monitoring.coreos.com"}

// decode reads strictly: an unknown or doubled field is an error.
func decode(t *testing.T, documents []string) objects {
	t.Helper()
	all := objects{}
	for _, d := range documents {
		var u unstructured.Unstructured
		if err := yaml.UnmarshalStrict([]byte(d), &u.Object); err != nil {
			t.Fatalf("%v in:\n%s", err, d)
		}
		key := u.GetKind() + "/" + u.GetName()
		if all[key] != nil {
			t.Errorf("%s is there twice", key)
		}
		if slices.Contains(foreign, u.GroupVersionKind().GroupKind().String()) {
			all[key] = &u
			continue
		}
		o, _, err := strict.Decode([]byte(d), nil, nil)
		if err != nil {
			t.Fatalf("%s: %v in:\n%s", key, err, d)
		}
		all[key] = o
	}
	return all
}

// rendered is the chart with these values in a cluster that knows everything.
func rendered(t *testing.T, set ...string) objects {
	t.Helper()
	r, err := render.Chart(chartFolder, namespace, full, set...)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, slices.Concat(r.Objects, r.Hooks))
}

func (o objects) names() string { return strings.Join(slices.Sorted(maps.Keys(o)), " ") }

// get is the object of a kind and name, which has to be there.
func get[T runtime.Object](t *testing.T, all objects, key string) T {
	t.Helper()
	o, ok := all[key].(T)
	if !ok {
		t.Fatalf("got no %s among %s", key, all.names())
	}
	return o
}

// pods are the templates of all pods, by the kind and name of their owners.
func pods(all objects) map[string]core.PodTemplateSpec {
	found := map[string]core.PodTemplateSpec{}
	for key, o := range all {
		switch o := o.(type) {
		case *apps.DaemonSet:
			found[key] = o.Spec.Template
		case *apps.Deployment:
			found[key] = o.Spec.Template
		case *batch.Job:
			found[key] = o.Spec.Template
		}
	}
	return found
}

func containers(p core.PodSpec) []core.Container {
	return slices.Concat(p.InitContainers, p.Containers)
}
