package main

import (
	"crypto/tls"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/nameward/nameward/hack/certs/ca"
)

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
	authority, err := ca.New("nameward trial authority", now, o.life)
	if err != nil {
		return nil, err
	}
	all := map[string]tls.Certificate{"ca": authority.Own}
	if all["coredns"], err = authority.Server("coredns", o.servers...); err != nil {
		return nil, err
	}
	for _, node := range o.nodes {
		subject := pkix.Name{CommonName: "nameward enforcer of " + node}
		if all["node-"+node], err = authority.Client(subject, o.domain, node); err != nil {
			return nil, err
		}
	}
	files := make(map[string][]byte, 2*len(all))
	for name, c := range all {
		if files[name+".crt"], files[name+".key"], err = ca.PEM(c); err != nil {
			return nil, err
		}
	}
	return files, nil
}
