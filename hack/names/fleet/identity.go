package fleet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/nameward/nameward/hack/demo/scene"
)

// identity is a certificate with its key, as the files that programs read.
type identity struct{ cert, key string }

// issuer is the fleet's certificate authority. It lives as long as the run.
type issuer struct {
	folder string
	// ca is the file that everybody trusts.
	ca   string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	next int64
}

const lifetime = 24 * time.Hour

func newIssuer(folder string) (*issuer, error) {
	i := &issuer{folder: folder, ca: filepath.Join(folder, "ca.crt")}
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, fmt.Errorf("create folder: %w", err)
	}
	subject := i.template(pkix.Name{CommonName: "fleet"})
	subject.IsCA, subject.BasicConstraintsValid, subject.KeyUsage = true, true, x509.KeyUsageCertSign
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("create key: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, subject, subject, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("sign the authority: %w", err)
	}
	if i.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("read the authority back: %w", err)
	}
	i.key = key
	return i, writePEM(i.ca, "CERTIFICATE", der)
}

// template begins a little in the past: no clock is exact.
func (i *issuer) template(subject pkix.Name) *x509.Certificate {
	i.next++
	return &x509.Certificate{
		SerialNumber: big.NewInt(i.next), Subject: subject,
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(lifetime),
	}
}

// replica makes the identity of a CoreDNS, which enforcers dial by address.
func (i *issuer) replica(name string, at scene.Dual) (identity, error) {
	c := i.template(pkix.Name{CommonName: name})
	c.KeyUsage, c.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	c.IPAddresses = []net.IP{at.V4.AsSlice(), at.V6.AsSlice()}
	return i.issue(name, c)
}

// node makes the identity of an enforcer: it names the node whose pods it may
// ask about, both ways that there are (N16).
func (i *issuer) node(name string) (identity, error) {
	c := i.template(pkix.Name{CommonName: "system:node:" + name, Organization: []string{"system:nodes"}})
	c.KeyUsage, c.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	c.URIs = []*url.URL{{Scheme: "spiffe", Host: "fleet.example", Path: "/node/" + name}}
	return i.issue(name, c)
}

func (i *issuer) issue(name string, c *x509.Certificate) (identity, error) {
	at := identity{cert: filepath.Join(i.folder, name+".crt"), key: filepath.Join(i.folder, name+".key")}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return at, fmt.Errorf("create key: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, i.cert, &key.PublicKey, i.key)
	if err != nil {
		return at, fmt.Errorf("sign the certificate of %s: %w", name, err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return at, fmt.Errorf("encode the key of %s: %w", name, err)
	}
	return at, errors.Join(writePEM(at.cert, "CERTIFICATE", der), writePEM(at.key, "PRIVATE KEY", private))
}

func writePEM(path, kind string, der []byte) error {
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
