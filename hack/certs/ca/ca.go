// Package ca is a certificate authority for trials and proofs: it signs for the
// two sides of mutual TLS between CoreDNS and enforcers. It knows how
// certificates name nodes; it must not know who asks for one, as it keeps no
// account of what it has signed and takes nothing back.
package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// Authority signs certificates, for any number of users at once.
type Authority struct {
	// Own is its own certificate with its key. What it signs is valid as long.
	Own tls.Certificate
}

// New makes an authority for the time from now on. It is valid a minute before
// that: clocks of other machines may be a little behind.
func New(name string, now time.Time, life time.Duration) (*Authority, error) {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Minute), NotAfter: now.Add(life),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	own, err := sign(template, nil)
	return &Authority{Own: own}, err
}

// Server signs for a CoreDNS that is dialled at these names and IP addresses.
func (a *Authority) Server(name string, hosts ...string) (tls.Certificate, error) {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return a.sign(template)
}

// Client signs for the enforcer of a node, which it names by a SPIFFE ID of the
// trust domain (N16).
func (a *Authority) Client(name pkix.Name, domain, node string) (tls.Certificate, error) {
	return a.sign(&x509.Certificate{
		Subject: name, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		URIs: []*url.URL{{Scheme: "spiffe", Host: domain, Path: "/node/" + node}},
	})
}

// SystemNode is the subject that Kubernetes gives a node's own certificate: the
// other way to name one (N16).
func SystemNode(node string) pkix.Name {
	return pkix.Name{CommonName: "system:node:" + node, Organization: []string{"system:nodes"}}
}

func (a *Authority) sign(template *x509.Certificate) (tls.Certificate, error) {
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.NotBefore, template.NotAfter = a.Own.Leaf.NotBefore, a.Own.Leaf.NotAfter
	return sign(template, &a.Own)
}

// sign makes a key and a certificate for it, by an authority or, without one,
// by itself.
func sign(template *x509.Certificate, by *tls.Certificate) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a key: %w", err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return tls.Certificate{}, fmt.Errorf("make a serial number: %w", err)
	}
	if by == nil {
		by = &tls.Certificate{Leaf: template, PrivateKey: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.Leaf, &key.PublicKey, by.PrivateKey)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("sign the certificate of %s: %w", template.Subject.CommonName, err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read the certificate of %s: %w", template.Subject.CommonName, err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// PEM returns the certificate and its key (PKCS #8) as files have them.
func PEM(c tls.Certificate) (cert, key []byte, err error) {
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		return nil, nil, fmt.Errorf("encode the key of %s: %w", c.Leaf.Subject.CommonName, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Leaf.Raw}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// Files are what one side of mutual TLS reads: its certificate with its key, and
// the authority that it trusts.
type Files struct{ Cert, Key, CA string }

func files(folder, name string) Files {
	return Files{Cert: filepath.Join(folder, name+".crt"), Key: filepath.Join(folder, name+".key"), CA: filepath.Join(folder, "ca.crt")}
}

// Save writes name.crt, name.key and the authority's ca.crt into the folder, for
// their owner alone. What is there is replaced.
func (a *Authority) Save(folder, name string, c tls.Certificate) (Files, error) {
	at := files(folder, name)
	trusted, _, err := PEM(a.Own)
	if err != nil {
		return at, err
	}
	cert, key, err := PEM(c)
	if err != nil {
		return at, err
	}
	for path, text := range map[string][]byte{at.CA: trusted, at.Cert: cert, at.Key: key} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return at, fmt.Errorf("write a certificate: %w", err)
		}
	}
	return at, nil
}

// Load reads an authority whose own certificate was saved by this name.
func Load(folder, name string) (*Authority, error) {
	at := files(folder, name)
	own, err := tls.LoadX509KeyPair(at.Cert, at.Key)
	if err != nil {
		return nil, fmt.Errorf("read the authority from %s and %s: %w", at.Cert, at.Key, err)
	}
	return &Authority{Own: own}, nil
}
