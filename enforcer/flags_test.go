package main

import (
	"strings"
	"testing"
)

// N15, S1: the limit that a flag sets is the kernel's: of two addresses of a name
// one is open, and the log says why the other is not.
func TestLimitOnARealKernel(t *testing.T) {
	s := newEnforcedPod(t)
	s.extraFlags = []string{"--addresses-per-name", "1"}
	s.start()
	session := s.accept()
	session.teach(t, podAddr, "example.com", web)
	s.wantDial("within the limit", webHTTP, true)
	session.teach(t, podAddr, "example.com", other)
	s.wantDial("the younger address", otherHTTP, true)
	s.wantDial("the older one, over the limit", webHTTP, false)
	if page := s.page("/metrics"); !strings.Contains(page, "nameward_grants_evicted_total 1\n") {
		t.Errorf("metrics: got no line of one eviction in\n%s", page)
	}
}

const peerManifest = `
apiVersion: v1
kind: Pod
metadata: {name: peer, namespace: app, uid: peer-uid}
spec:
  nodeName: node-2
  containers: [{name: main, image: example.invalid/peer}]
status: {phase: Running, podIPs: [{ip: 198.51.100.10}]}
`

// N10: the name of a headless Service leads to pods. The guard refuses that, and
// says so with the name, unless the setting allows names of the cluster.
func TestInClusterNamesOnARealKernel(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		t.Run(map[bool]string{false: "by default", true: "by the flag"}[allowed], func(t *testing.T) {
			s := newEnforcedPod(t)
			s.put("peer.yaml", peerManifest)
			if allowed {
				s.extraFlags = []string{"--guard-in-cluster"}
			}
			s.start()
			ack := s.accept().teach(t, podAddr, "example.com", web)
			if got := ack.GetValidMs() > 0; got != allowed {
				t.Errorf("ack: got %v, want a grant: %v", ack, allowed)
			}
			s.wantDial("a pod's address by name", webHTTP, allowed)
			if log := s.log.String(); strings.Contains(log, "name=example.com reason=") == allowed {
				t.Errorf("want a refusal logged with the name: %v; got\n%s", !allowed, log)
			}
			if page := s.page("/metrics"); strings.Contains(page, `nameward_grants_refused_total{reason="pod"} 1`) == allowed {
				t.Errorf("want the refusal counted: %v; got\n%s", !allowed, page)
			}
		})
	}
}
