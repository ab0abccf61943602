package main

import (
	"crypto/x509"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nameward/nameward/plugin/names"
	"github.com/nameward/nameward/plugin/stream"
)

func TestPodsHaveAddressesOfTheirOwn(t *testing.T) {
	loopback := netip.MustParsePrefix("127.0.0.0/8")
	seen := map[netip.Addr]bool{netip.MustParseAddr("127.0.0.1"): true}
	for node := range swarmNodes {
		for pod := range swarmPods {
			addr := podAddress(node, swarmPods, pod)
			if seen[addr] || !loopback.Contains(addr) {
				t.Fatalf("pod %d of node %d: got %s, want an address of loopback that nobody has", pod, node, addr)
			}
			seen[addr] = true
		}
	}
}

// The canary proves that a change is in force only if what was in force before
// does not match it.
func TestOnlyAChangeWantsTheCanary(t *testing.T) {
	d := &drone{nth: 17, pods: swarmPods}
	for version, want := range []int{0, 1} {
		s := d.subscription(version)
		if s.GetReset_() != (version == 0) {
			t.Errorf("version %d: got reset %v, want it in the first alone", version, s.GetReset_())
		}
		wanting := 0
		for i, w := range s.GetWatches() {
			if len(wanted(t, w, canary)) > 0 {
				wanting++
				if i != len(s.GetWatches())-1 {
					t.Errorf("version %d: pod %d wants the canary, want the last alone", version, i)
				}
			}
		}
		if wanting != want {
			t.Errorf("version %d: got %d pods that want the canary, want %d", version, wanting, want)
		}
	}
}

func TestAChangeIsOneOfEveryPattern(t *testing.T) {
	d := &drone{nth: 3, pods: swarmPods}
	before, after := d.subscription(0), d.subscription(1)
	if len(before.GetWatches()) != swarmPods || len(after.GetWatches()) != swarmPods {
		t.Fatalf("watches: got %d and %d, want %d", len(before.GetWatches()), len(after.GetWatches()), swarmPods)
	}
	for i, w := range after.GetWatches() {
		old := before.GetWatches()[i]
		if !slices.EqualFunc(w.GetAddresses(), old.GetAddresses(), slices.Equal) {
			t.Errorf("pod %d: got addresses %v, want %v", i, w.GetAddresses(), old.GetAddresses())
		}
		for _, p := range w.GetPatterns() {
			if slices.Contains(old.GetPatterns(), p) {
				t.Errorf("pod %d: pattern %s is as before, want another", i, p)
			}
		}
	}
}

// wanted are the watch's patterns that match the name; all must be well formed.
func wanted(t *testing.T, w *stream.Watch, name string) (out []string) {
	t.Helper()
	for _, text := range w.GetPatterns() {
		p, err := names.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if names.NewSet([]names.Pattern{p}).Matches(name) {
			out = append(out, text)
		}
	}
	return out
}

func TestSwarmReportIsReadAsItWasWritten(t *testing.T) {
	r := swarmReport{began: time.Unix(1700000000, 123456789), took: []time.Duration{3 * time.Millisecond, 9 * time.Millisecond, 5 * time.Millisecond}, late: 2, why: "it has \"ended\""}
	got, err := parseReport(r.String())
	if err != nil {
		t.Fatal(err)
	}
	if !got.began.Equal(r.began) || got.median != 5*time.Millisecond || got.last != 9*time.Millisecond || got.late != 2 || got.why != r.why {
		t.Errorf("report: got %+v, want %s, 5ms, 9ms, 2 late and %q", got, r.began, r.why)
	}
	if got, err := parseReport("connected 17"); err == nil {
		t.Errorf("another answer: got no error and %+v, want one", got)
	}
}

func TestSwarmSaysWhatItLacks(t *testing.T) {
	var out, stderr strings.Builder
	code := runSwarm([]string{"-authority", filepath.Join(t.TempDir(), "none"), "-nodes", "1"}, strings.NewReader(""), &out, &stderr)
	if code != 1 || !strings.Contains(stderr.String(), "none") || out.Len() > 0 {
		t.Errorf("swarm without an authority: got status %d, %q and %q, want 1 and the folder's name", code, out.String(), stderr.String())
	}
}

func TestNodesAreNamedByTheirCertificates(t *testing.T) {
	a, err := newAuthority()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := a.save(folder); err != nil {
		t.Fatal(err)
	}
	loaded, err := loadAuthority(folder)
	if err != nil {
		t.Fatal(err)
	}
	config, err := loaded.node("node-7")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(config.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.Own.Leaf)
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Errorf("certificate: got %v, want one that the authority signed", err)
	}
	if got := cert.Subject.CommonName; got != "system:node:node-7" {
		t.Errorf("common name: got %s, want the node's", got)
	}
	if len(cert.URIs) != 1 || cert.URIs[0].Path != "/node/node-7" {
		t.Errorf("URIs: got %v, want the node's", cert.URIs)
	}
}
