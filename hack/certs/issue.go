package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// identity is a certificate with its key.
type identity struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// make writes all files or, where one of them exists, none.
func (o *order) make(now time.Time) error {
	files, err := o.issue(now)
	if err != nil {
		return err
	}
	for name := range files {
		if _, err := os.Lstat(filepath.Join(o.out, name)); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("-out: %s exists; nothing is ever replaced, want another directory", filepath.Join(o.out, name))
		}
	}
	if err := os.MkdirAll(o.out, 0o700); err != nil {
		return fmt.Errorf("-out: %w", err)
	}
	for name, content := range files {
		if err := create(filepath.Join(o.out, name), content); err != nil {
			return err
		}
	}
	return nil
}

// create makes a file that was not there, for its owner alone.
func create(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("-out: %w", err)
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

// issue makes all certificates and keys, PEM, by file name.
func (o *order) issue(now time.Time) (map[string][]byte, error) {
	ca, err := sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "nameward trial authority"},
		IsCA:    true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign,
	}, nil, now, o.life)
	if err != nil {
		return nil, err
	}
	all := map[string]identity{"ca": ca}
	if all["coredns"], err = sign(o.server(), &ca, now, o.life); err != nil {
		return nil, err
	}
	for _, node := range o.nodes {
		if all["node-"+node], err = sign(o.client(node), &ca, now, o.life); err != nil {
			return nil, err
		}
	}
	files := make(map[string][]byte, 2*len(all))
	for name, id := range all {
		key, err := x509.MarshalPKCS8PrivateKey(id.key)
		if err != nil {
			return nil, fmt.Errorf("encode the key of %s: %w", name, err)
		}
		files[name+".crt"] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: id.cert.Raw})
		files[name+".key"] = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	}
	return files, nil
}

func (o *order) server() *x509.Certificate {
	c := &x509.Certificate{
		Subject: pkix.Name{CommonName: "coredns"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, server := range o.servers {
		if ip := net.ParseIP(server); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, server)
		}
	}
	return c
}

// client names its node as a SPIFFE ID does.
func (o *order) client(node string) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: "nameward enforcer of " + node}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		URIs:        []*url.URL{{Scheme: "spiffe", Host: o.domain, Path: "/node/" + node}},
	}
}

// sign issues a certificate by an authority, or by itself.
func sign(template *x509.Certificate, by *identity, now time.Time, life time.Duration) (identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return identity{}, fmt.Errorf("make a key: %w", err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return identity{}, fmt.Errorf("make a serial number: %w", err)
	}
	// Clocks of other machines may be a little behind.
	template.NotBefore, template.NotAfter = now.Add(-time.Minute), now.Add(life)
	if by == nil {
		by = &identity{cert: template, key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, &key.PublicKey, by.key)
	if err != nil {
		return identity{}, fmt.Errorf("sign the certificate of %s: %w", template.Subject.CommonName, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return identity{}, fmt.Errorf("read the certificate of %s: %w", template.Subject.CommonName, err)
	}
	return identity{cert, key}, nil
}
