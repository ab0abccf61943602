package main

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

// authority signs the certificates of one run: one for CoreDNS, and one for
// each node, which names it in both of the ways that are in use.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	// nodeKey is shared by the nodes: making keys is not what is measured.
	nodeKey *ecdsa.PrivateKey
	serial  int64
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	nodeKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	a := &authority{key: key, nodeKey: nodeKey}
	template := a.template("bench authority")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err == nil {
		a.cert, err = x509.ParseCertificate(der)
	}
	if err != nil {
		return nil, fmt.Errorf("make an authority: %w", err)
	}
	return a, nil
}

// template is valid for as long as a run can take.
func (a *authority) template(name string) *x509.Certificate {
	a.serial++
	return &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
}

// server writes what directive tls wants into the folder.
func (a *authority) server(folder string) (cert, key, ca string, err error) {
	template := a.template("bench CoreDNS")
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &a.nodeKey.PublicKey, a.key)
	if err != nil {
		return "", "", "", fmt.Errorf("sign CoreDNS's certificate: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(a.nodeKey)
	if err != nil {
		return "", "", "", fmt.Errorf("write CoreDNS's key: %w", err)
	}
	cert, key, ca = filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key"), filepath.Join(folder, "ca.crt")
	for path, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: der},
		key:  {Type: "PRIVATE KEY", Bytes: private},
		ca:   {Type: "CERTIFICATE", Bytes: a.cert.Raw},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			return "", "", "", fmt.Errorf("write a certificate: %w", err)
		}
	}
	return cert, key, ca, nil
}

// node is the client's half of mutual TLS for one node.
func (a *authority) node(name string) (*tls.Config, error) {
	template := a.template("system:node:" + name)
	template.URIs = []*url.URL{{Scheme: "spiffe", Host: "bench.example", Path: "/node/" + name}}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &a.nodeKey.PublicKey, a.key)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate of node %s: %w", name, err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	return &tls.Config{MinVersion: tls.VersionTLS13, ServerName: "127.0.0.1", RootCAs: roots,
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: a.nodeKey}}}, nil
}

// save and load hand an authority to another process of the run.
func (a *authority) save(path string) error {
	var text []byte
	for _, key := range []*ecdsa.PrivateKey{a.key, a.nodeKey} {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return fmt.Errorf("write the authority: %w", err)
		}
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...)
	}
	text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})...)
	return os.WriteFile(path, text, 0o600)
}

func loadAuthority(path string) (*authority, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	a := &authority{serial: 1 << 20}
	for _, to := range []**ecdsa.PrivateKey{&a.key, &a.nodeKey} {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return nil, fmt.Errorf("read the authority from %s: want two keys and a certificate", path)
		}
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read the authority from %s: %w", path, err)
		}
		private, ok := key.(*ecdsa.PrivateKey)
		if !ok {
			return nil, fmt.Errorf("read the authority from %s: got a key of type %T", path, key)
		}
		*to = private
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("read the authority from %s: no certificate", path)
	}
	a.cert, err = x509.ParseCertificate(block.Bytes)
	return a, err
}
