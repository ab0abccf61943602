package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/nameward/nameward/hack/chart/render"
)

// installed answers lookups with objects that an earlier release made.
type installed []runtime.Object

// GetClientFor is part of engine.ClientProvider.
func (o installed) GetClientFor(apiVersion, kind string) (dynamic.NamespaceableResourceInterface, bool, error) {
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return nil, false, err
	}
	client := fake.NewSimpleDynamicClient(scheme.Scheme, o...)
	return client.Resource(gv.WithResource(strings.ToLower(kind) + "s")), true, nil
}

// chartMade is what source "chart" makes in a cluster with these objects.
func chartMade(t *testing.T, before installed, set ...string) (*core.Secret, *core.ConfigMap) {
	t.Helper()
	cluster := full
	cluster.Objects = before
	r, err := render.Chart(chartFolder, namespace, cluster, set...)
	if err != nil {
		t.Fatal(err)
	}
	all := decode(t, r.Objects)
	return get[*core.Secret](t, all, "Secret/nameward-dns-tls"), get[*core.ConfigMap](t, all, "ConfigMap/nameward-ca")
}

func authorities(t *testing.T, text string) (pool *x509.CertPool, count int) {
	t.Helper()
	pool = x509.NewCertPool()
	for rest := []byte(text); ; count++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return pool, count
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		pool.AddCert(c)
	}
}

// N16: enforcers can check what CoreDNS shows by the name of the Service that
// they dial, and the authority's key is nowhere.
func TestChartMakesACertificate(t *testing.T) {
	secret, ca := chartMade(t, nil, "certificates.days=10")
	pair, err := tls.X509KeyPair(secret.Data["tls.crt"], secret.Data["tls.key"])
	if err != nil {
		t.Fatal(err)
	}
	pool, count := authorities(t, ca.Data["ca.crt"])
	if count != 1 || len(secret.Data) != 3 || len(ca.Data) != 1 {
		t.Errorf("got %d authorities, %d and %d keys of data, want 1, 3 and 1", count, len(secret.Data), len(ca.Data))
	}
	for name, after := range map[string]time.Duration{"nameward-dns-stream.nameward.svc": 0, "nameward-dns-stream.nameward.svc.cluster.local": 9 * 24 * time.Hour} {
		options := x509.VerifyOptions{Roots: pool, DNSName: name, CurrentTime: time.Now().Add(after), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
		if _, err := pair.Leaf.Verify(options); err != nil {
			t.Errorf("%s after %v: %v", name, after, err)
		}
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: time.Now().Add(11 * 24 * time.Hour)}); err == nil {
		t.Error("still valid after its days")
	}
}

// An upgrade keeps certificate and authority; another word of certificates.renew
// makes new ones, and the authority before stays trusted while replicas change.
func TestUpgradeKeepsTheCertificate(t *testing.T) {
	secret, ca := chartMade(t, nil)
	kept, keptCA := chartMade(t, installed{secret}, "dns.replicas=3")
	if string(kept.Data["tls.key"]) != string(secret.Data["tls.key"]) || keptCA.Data["ca.crt"] != ca.Data["ca.crt"] {
		t.Error("an upgrade made another certificate")
	}
	renewed, renewedCA := chartMade(t, installed{secret}, "certificates.renew=2027")
	if string(renewed.Data["tls.key"]) == string(secret.Data["tls.key"]) {
		t.Fatal("nothing was renewed")
	}
	for sentence, s := range map[string]*core.Secret{"new": renewed, "old": secret} {
		pair, err := tls.X509KeyPair(s.Data["tls.crt"], s.Data["tls.key"])
		if err != nil {
			t.Fatal(err)
		}
		pool, count := authorities(t, renewedCA.Data["ca.crt"])
		if count != 2 {
			t.Errorf("got %d authorities, want the new and the old", count)
		}
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: pool}); err != nil {
			t.Errorf("the %s certificate: %v", sentence, err)
		}
	}
	again, _ := chartMade(t, installed{renewed}, "certificates.renew=2027")
	if string(again.Data["tls.key"]) != string(renewed.Data["tls.key"]) {
		t.Error("the same word renewed twice")
	}
	_, third := chartMade(t, installed{renewed}, "certificates.renew=2028")
	if _, count := authorities(t, third.Data["ca.crt"]); count != 2 {
		t.Errorf("got %d authorities after the next renewal, want 2: the oldest goes", count)
	}
}

// A Secret that somebody made without an authority is not taken for ours.
func TestForeignSecretIsReplaced(t *testing.T) {
	secret, _ := chartMade(t, nil)
	delete(secret.Data, "ca.crt")
	got, ca := chartMade(t, installed{secret})
	if string(got.Data["tls.key"]) == string(secret.Data["tls.key"]) || ca.Data["ca.crt"] == "" {
		t.Error("got a certificate that no authority vouches for")
	}
}

// Enforcers see the authority, never the key of what it signed.
func TestEnforcersSeeNoKey(t *testing.T) {
	for _, source := range []string{"chart", "existing", "cert-manager"} {
		for _, p := range pods(rendered(t, "certificates.source="+source)) {
			for _, v := range p.Spec.Volumes {
				if v.Name != "ca" {
					continue
				}
				if v.ConfigMap == nil && (v.Secret == nil || len(v.Secret.Items) != 1 || v.Secret.Items[0].Key != "ca.crt") {
					t.Errorf("%s: got %+v, want the authority alone", source, v)
				}
			}
		}
	}
}

// cert-manager makes the same names, of an authority of its own or of the user's.
func TestCertManager(t *testing.T) {
	all := rendered(t, "certificates.source=cert-manager")
	certificate := get[*unstructured.Unstructured](t, all, "Certificate/nameward-dns")
	names, _, err := unstructured.NestedStringSlice(certificate.Object, "spec", "dnsNames")
	if err != nil || len(names) != 2 || names[0] != "nameward-dns-stream.nameward.svc" {
		t.Errorf("got %q and %v", names, err)
	}
	if secret, _, _ := unstructured.NestedString(certificate.Object, "spec", "secretName"); secret != "nameward-dns-tls" {
		t.Errorf("got Secret %s", secret)
	}
	for _, key := range []string{"Issuer/nameward-root", "Certificate/nameward-authority", "Issuer/nameward-authority"} {
		if all[key] == nil {
			t.Errorf("got no %s", key)
		}
	}
	others := rendered(t, "certificates.source=cert-manager", "certificates.certManager.issuerRef.name=corporate", "certificates.certManager.issuerRef.kind=ClusterIssuer")
	if others["Issuer/nameward-root"] != nil {
		t.Error("got an authority beside the user's issuer")
	}
	certificate = get[*unstructured.Unstructured](t, others, "Certificate/nameward-dns")
	if name, _, _ := unstructured.NestedString(certificate.Object, "spec", "issuerRef", "name"); name != "corporate" {
		t.Errorf("got issuer %s", name)
	}
}
