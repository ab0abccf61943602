package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"

	"github.com/nameward/nameward/hack/chart/render"
)

// Whatever users ask for comes out as objects of the API, with no field that it
// does not know.
func TestValueSetsRender(t *testing.T) {
	for _, row := range valueSets {
		t.Run(row.sentence, func(t *testing.T) {
			all := rendered(t, row.set...)
			get[*apps.DaemonSet](t, all, "DaemonSet/nameward-enforcer")
			get[*core.ConfigMap](t, all, "ConfigMap/nameward")
			for key, o := range all {
				if text, _ := json.Marshal(o); strings.Contains(string(text), "<no value>") || strings.Contains(string(text), "%!") {
					t.Errorf("%s: got a value that the template lacks: %s", key, text)
				}
			}
			mountsHaveVolumes(t, all)
		})
	}
}

func mountsHaveVolumes(t *testing.T, all objects) {
	t.Helper()
	for key, p := range pods(all) {
		volumes := map[string]bool{}
		for _, v := range p.Spec.Volumes {
			volumes[v.Name] = true
		}
		for _, c := range containers(p.Spec) {
			for _, m := range c.VolumeMounts {
				if !volumes[m.Name] {
					t.Errorf("%s: container %s mounts %s, which is no volume", key, c.Name, m.Name)
				}
			}
		}
	}
}

// Each mode of DNS has what it needs, and nothing of the others.
func TestModesOfDNS(t *testing.T) {
	for _, row := range []struct {
		sentence string
		set      []string
		has      []string
		lacks    []string
		args     []string // of the enforcer
		without  []string // beginnings of its arguments
	}{
		{"beside: replicas that enforcers find by their Service, with tokens", nil,
			[]string{"Deployment/nameward-dns", "Service/nameward-dns", "Service/nameward-dns-stream", "PodDisruptionBudget/nameward-dns", "Secret/nameward-dns-tls", "ConfigMap/nameward-ca", "ClusterRole/nameward-dns", "NetworkPolicy/nameward-dns"},
			[]string{"DaemonSet/nameward-dns"},
			[]string{"--dns=service://nameward/nameward-dns-stream:7353", "--tls-ca=/etc/nameward/ca/ca.crt", "--token=/var/run/secrets/nameward/token"}, []string{"--cluster-dns"}},
		{"replace: the same, at the address that pods know", replaced,
			[]string{"Deployment/nameward-dns", "Service/nameward-dns"}, []string{"DaemonSet/nameward-dns"},
			nil, []string{"--cluster-dns"}},
		{"node-local: a socket on each node, no certificates, no rights", nodeLocal,
			[]string{"DaemonSet/nameward-dns", "ServiceAccount/nameward-dns"},
			[]string{"Deployment/nameward-dns", "Service/nameward-dns", "Service/nameward-dns-stream", "Secret/nameward-dns-tls", "ClusterRole/nameward-dns", "NetworkPolicy/nameward-dns"},
			[]string{"--dns=unix:///run/nameward/dns.sock", "--cluster-dns=169.254.20.10,10.96.0.10"}, []string{"--tls", "--token"}},
		{"none: enforcers alone", []string{"dns.mode=none"}, nil,
			[]string{"ServiceAccount/nameward-dns", "ConfigMap/nameward-corefile", "Service/nameward-dns"}, nil, []string{"--dns=", "--tls", "--token", "--cluster-dns"}},
		{"none, and CoreDNS elsewhere: with its authority", []string{"dns.mode=none", "enforcer.dnsTargets={tcp://dns.example.org:7353,unix:///run/x.sock}"}, nil, nil,
			[]string{"--dns=tcp://dns.example.org:7353", "--dns=unix:///run/x.sock", "--tls-ca=/etc/nameward/ca/ca.crt"}, nil},
		{"what is set for cluster DNS is what counts", append([]string{"settings.clusterDNS={192.0.2.53}"}, nodeLocal...), nil, nil, nil, []string{"--cluster-dns"}},
		{"the cluster's DNS has a Service of another name", []string{"enforcer.clusterDNSServices={openshift-dns/dns-default,nameward/nameward-dns}"}, nil, nil,
			[]string{"--cluster-dns-services=openshift-dns/dns-default,nameward/nameward-dns"}, []string{"--cluster-dns="}},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			all := rendered(t, row.set...)
			for _, key := range row.has {
				if all[key] == nil {
					t.Errorf("got no %s", key)
				}
			}
			for _, key := range row.lacks {
				if all[key] != nil {
					t.Errorf("got %s, which this mode has no use for", key)
				}
			}
			args := get[*apps.DaemonSet](t, all, "DaemonSet/nameward-enforcer").Spec.Template.Spec.Containers[0].Args
			for _, want := range row.args {
				if !slices.Contains(args, want) {
					t.Errorf("got %q, want %s among them", args, want)
				}
			}
			for _, begins := range row.without {
				if i := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, begins) }); i >= 0 {
					t.Errorf("got %s, want no %s", args[i], begins)
				}
			}
		})
	}
}

// D9, P23: a pod that starts while the enforcer is away is shut, unless nothing is
// denied to any.
func TestPodsWithoutAnEnforcer(t *testing.T) {
	for _, row := range []struct {
		sentence string
		set      []string
		open     bool
	}{
		{"closed, if nothing is said", nil, false},
		{"closed, where the posture of a node's own settings is not known", []string{"settings.startPosture=Default"}, false},
		{"open, while policies are on trial", []string{"settings.mode=audit"}, true},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			pod := get[*apps.DaemonSet](t, rendered(t, row.set...), "DaemonSet/nameward-enforcer").Spec.Template.Spec
			i := slices.IndexFunc(pod.Containers, func(c core.Container) bool { return c.Name == "cni" })
			if got := slices.Contains(pod.Containers[i].Args, "--away=open"); got != row.open {
				t.Errorf("got %q, want --away=open among them: %v", pod.Containers[i].Args, row.open)
			}
		})
	}
}

// Where the default is Deny, CoreDNS still gets queries, enforcers, its API server
// and its upstream (our own NetworkPolicy).
func TestNetworkPolicyLetsCoreDNSWork(t *testing.T) {
	p := get[*networking.NetworkPolicy](t, rendered(t, "networkPolicy.nodeCIDRs={10.1.0.0/16}"), "NetworkPolicy/nameward-dns").Spec
	if len(p.PolicyTypes) != 2 || len(p.Ingress) != 2 || len(p.Egress) != 2 {
		t.Fatalf("got %+v, want two rules each way", p)
	}
	if len(p.Ingress[0].From) != 0 || len(p.Ingress[1].From) != 1 || p.Ingress[1].From[0].IPBlock.CIDR != "10.1.0.0/16" {
		t.Errorf("got %+v, want everybody for queries and the nodes for the stream", p.Ingress)
	}
	open := get[*networking.NetworkPolicy](t, rendered(t), "NetworkPolicy/nameward-dns").Spec
	if len(open.Ingress[1].From) != 0 {
		t.Errorf("got %+v, want any address where nothing is said of nodes", open.Ingress[1].From)
	}
	pod := get[*apps.Deployment](t, rendered(t), "Deployment/nameward-dns").Spec.Template
	for label, want := range p.PodSelector.MatchLabels {
		if pod.Labels[label] != want {
			t.Errorf("the policy selects %s=%s, pods have %q", label, want, pod.Labels[label])
		}
	}
	allowed := map[int32]bool{}
	for _, rule := range p.Ingress {
		for _, port := range rule.Ports {
			allowed[port.Port.IntVal] = true
		}
	}
	for _, port := range pod.Spec.Containers[0].Ports {
		if !allowed[port.ContainerPort] {
			t.Errorf("no rule admits port %d (%s)", port.ContainerPort, port.Name)
		}
	}
}

// A cluster that does not know a kind is not given objects of it.
func TestCapabilitiesAreChecked(t *testing.T) {
	plain := render.Cluster{}
	r, err := render.Chart(chartFolder, namespace, plain)
	if err != nil {
		t.Fatal(err)
	}
	if all := strings.Join(r.Objects, "\n"); strings.Contains(all, "monitoring.coreos.com") {
		t.Error("got a PodMonitor for a cluster that knows none")
	}
	for _, key := range []string{"PodMonitor/nameward-enforcer", "PodMonitor/nameward-dns"} {
		if rendered(t)[key] == nil {
			t.Errorf("got no %s in a cluster that knows them", key)
		}
	}
	if rendered(t, "monitoring.podMonitor=never")["PodMonitor/nameward-dns"] != nil {
		t.Error("got a PodMonitor that nobody wants")
	}
	_, err = render.Chart(chartFolder, namespace, plain, "certificates.source=cert-manager")
	if err == nil || !strings.Contains(err.Error(), "install cert-manager first") {
		t.Errorf("got %v, want an error that says what to do", err)
	}
	if _, err = render.Chart(chartFolder, namespace, render.Cluster{Version: "v1.29.9"}); err == nil {
		t.Error("got no error for a Kubernetes whose tokens do not name nodes")
	}
}

// Notes tell the next step of each mode.
func TestNotes(t *testing.T) {
	for _, row := range []struct {
		set  []string
		want string
	}{
		{nil, "get service nameward-dns"},
		{replaced, "at 10.96.0.10"},
		{nodeLocal, "at 169.254.20.10"},
		{[]string{"dns.mode=none"}, "No CoreDNS is installed"},
		{[]string{"removal.enabled=true"}, "helm uninstall nameward -n nameward"},
		{[]string{"settings.mode=audit"}, "Nothing is denied yet"},
	} {
		r, err := render.Chart(chartFolder, namespace, full, row.set...)
		if err != nil || !strings.Contains(r.Notes, row.want) {
			t.Errorf("%q: got %q and %v, want %q in it", row.set, r.Notes, err, row.want)
		}
	}
}

// Corefiles are those of corefile/, but for what the values say; a test of
// plugin/coredns starts them.
func TestCorefilesAreThoseWeShip(t *testing.T) {
	for _, row := range []struct {
		file string
		set  []string
	}{
		{"kubernetes-token.Corefile", nil},
		{"kubernetes-token.Corefile", replaced},
		{"node-local.Corefile", nodeLocal},
	} {
		want, err := os.ReadFile("../../corefile/" + row.file)
		if err != nil {
			t.Fatal(err)
		}
		got := get[*core.ConfigMap](t, rendered(t, row.set...), "ConfigMap/nameward-corefile").Data["Corefile"]
		if got != string(want) {
			t.Errorf("%q: line %d differs from corefile/%s; got:\n%s", row.set, differs(got, string(want)), row.file, got)
		}
	}
	r, err := render.Chart(chartFolder, "kube-system", full)
	if err != nil || !strings.Contains(strings.Join(r.Objects, ""), "authenticate token nameward kube-system/nameward-enforcer\n") {
		t.Errorf("got %v, want the account of the release's namespace", err)
	}
	more := get[*core.ConfigMap](t, rendered(t, "dns.pluginOptions={hold 1s}", "dns.serverBlocks=corp.example:53 {\n}\n"), "ConfigMap/nameward-corefile").Data["Corefile"]
	if !strings.Contains(more, "\n        hold 1s\n    }\n") || !strings.HasSuffix(more, "\n}\ncorp.example:53 {\n}\n") {
		t.Errorf("got\n%s, want the option and the block", more)
	}
}

// Addresses with colons are read as they are meant.
func TestAddressesOfBothFamilies(t *testing.T) {
	set := get[*apps.DaemonSet](t, rendered(t, "enforcer.metrics.host=::1"), "DaemonSet/nameward-enforcer").Spec.Template.Spec.Containers[0]
	if !slices.Contains(set.Args, "--metrics=[::1]:9099") || set.ReadinessProbe.HTTPGet.Host != "::1" {
		t.Errorf("got %q and a probe of %q, want brackets in the first alone", set.Args, set.ReadinessProbe.HTTPGet.Host)
	}
	corefile := get[*core.ConfigMap](t, rendered(t, append([]string{"dns.nodeLocal.address=fd00::10"}, nodeLocal...)...), "ConfigMap/nameward-corefile").Data["Corefile"]
	for _, want := range []string{"bind fd00::10\n", "health [fd00::10]:8080\n", "ready [fd00::10]:8181\n"} {
		if !strings.Contains(corefile, want) {
			t.Errorf("got\n%s, want %s", corefile, want)
		}
	}
}
