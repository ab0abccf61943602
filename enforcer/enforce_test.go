package main

import (
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"
)

const clusterManifest = `
apiVersion: v1
kind: Namespace
metadata: {name: app}
---
apiVersion: v1
kind: Pod
metadata:
  name: client
  namespace: app
  uid: client-uid
  annotations: {nameward.io/interface: pod0}
spec:
  nodeName: node-1
  containers: [{name: main, image: example.invalid/client}]
status: {phase: Running, podIPs: [{ip: 10.0.0.1}]}
`

const namesManifest = `
apiVersion: networking.k8s.aws/v1alpha1
kind: ApplicationNetworkPolicy
metadata: {name: names, namespace: app}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to: [{domainNames: ["NAME"]}]
      ports: [{port: 80, protocol: TCP}]
`

func namesFor(name string) string { return strings.Replace(namesManifest, "NAME", name, 1) }

const (
	webHTTP   = "198.51.100.10:80"
	otherHTTP = "198.51.100.20:80"
)

// newEnforcedPod is a scene with a pod whose policy allows example.com, and the world.
func newEnforcedPod(tb testing.TB) *scene {
	tb.Helper()
	s := newScene(tb)
	s.up("lo", "127.0.0.3/8")
	s.pod = s.attach(podLink, "10.0.0.254/24", "10.0.0.1/24")
	world := s.attach(worldLink, "198.51.100.1/24", "198.51.100.10/24")
	s.inside(world, func() { s.up("eth0", "198.51.100.20/24") })
	s.echo(world, webHTTP)
	s.echo(world, otherHTTP)
	s.put("cluster.yaml", clusterManifest)
	s.put("names.yaml", namesFor("example.com"))
	s.serveDNS()
	return s
}

// N3, N7, P7: from the answer to the kernel, and out of it again.
func TestNamesOnARealKernel(t *testing.T) {
	s := newEnforcedPod(t)
	s.wantDial("before the enforcer", webHTTP, true)
	s.start()
	s.wantDial("before the name is learnt", webHTTP, false)

	session := s.accept()
	if ack := session.teach(t, podAddr, "example.com", web); ack.GetValidMs() < 80_000 {
		t.Errorf("ack: got %v, want it valid for TTL and grace", ack)
	}
	conn := s.wantDial("once it is acknowledged", webHTTP, true)
	s.wantDial("an address of another name", otherHTTP, false)
	if ack := session.teach(t, podAddr, "example.org", other); ack.GetValidMs() != 0 {
		t.Errorf("a name that no rule wants: got %v, want nothing granted", ack)
	}
	s.wantDial("a name that no rule wants", otherHTTP, false)

	s.put("names.yaml", namesFor("example.net"))
	session.awaitWatch(t)
	s.wantDial("after its rule is gone", webHTTP, false)
	if conn != nil && alive(conn) {
		t.Error("a connection lives on without its rule")
	}
	s.put("settings.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: nameward}\ndata: {default: Allow}\n")
	s.put("names.yaml", "# none\n")
	s.await("the new default holds", func() bool { _, err := s.dial(otherHTTP, blocked); return err == nil })
	if !strings.Contains(s.log.String(), "msg=denied pod=app/client") || !strings.Contains(s.log.String(), "names=") {
		t.Errorf("want denials explained in the log, got\n%s", s.log.String())
	}
	if page := s.page("/metrics"); !strings.Contains(page, "nameward_endpoints 1\n") || !strings.Contains(page, "nameward_dns_sessions 1\n") {
		t.Errorf("metrics: got\n%s", page)
	}
}

// D8: filters, grants and connections survive the enforcer, however it ends.
func TestEnforcerEndsAndComesBack(t *testing.T) {
	s := newEnforcedPod(t)
	s.start()
	s.accept().teach(t, podAddr, "example.com", web)
	conn := s.wantDial("while it runs", webHTTP, true)
	if code := s.stop(syscall.SIGKILL); code == 0 {
		t.Error("killed: got exit code 0")
	}
	lives := func(when string) {
		t.Helper()
		if conn != nil && !alive(conn) {
			t.Errorf("%s: the connection has ended", when)
		}
		s.wantDial(when, webHTTP, true)
		s.wantDial(when, otherHTTP, false)
	}
	lives("while it is dead")
	s.start()
	lives("after it has come back")
	if code := s.stop(syscall.SIGTERM); code != exitClean {
		t.Errorf("asked to end: got exit code %d, want %d\n%s", code, exitClean, s.log.String())
	}
	lives("after it has ended in peace")

	out, err := program(t.Context(), "detach", "--pin", s.path("bpf/nameward")).CombinedOutput()
	if err != nil {
		t.Errorf("detach: got %v: %s", err, out)
	}
	s.wantDial("after detach", otherHTTP, true)
}

// S5: an interface that is not there is told of, and policed when it appears.
func TestInterfaceThatAppearsLater(t *testing.T) {
	s := newScene(t)
	s.up("lo", "127.0.0.3/8")
	s.put("cluster.yaml", clusterManifest)
	s.put("names.yaml", namesFor("example.com"))
	s.serveDNS()
	s.start()
	s.await("the missing interface is counted", func() bool {
		return strings.Contains(s.page("/metrics"), "nameward_interfaces_missing 1\n")
	})
	if !strings.Contains(s.log.String(), podLink) {
		t.Errorf("want the interface's name in the log, got\n%s", s.log.String())
	}
	s.pod = s.attach(podLink, "10.0.0.254/24", "10.0.0.1/24")
	s.await("the pod is policed", func() bool {
		return strings.Contains(s.page("/metrics"), "nameward_endpoints 1\n")
	})
}

// BenchmarkLearnedToAck is the way of one answer: stream, Book, kernel, stream.
// Every answer has a new name and a new address.
func BenchmarkLearnedToAck(b *testing.B) {
	s := newEnforcedPod(b)
	s.put("names.yaml", namesFor("*.example.com"))
	s.extraFlags = []string{"--log-level", "warn"}
	s.start()
	session := s.accept()
	addr := netip.MustParseAddr("198.51.0.1")
	var worst time.Duration
	b.ReportAllocs()
	for b.Loop() {
		addr = addr.Next()
		began := time.Now()
		session.teach(b, podAddr, addr.String()+".example.com", addr)
		worst = max(worst, time.Since(began))
	}
	b.ReportMetric(float64(worst.Microseconds()), "worst-µs")
}
