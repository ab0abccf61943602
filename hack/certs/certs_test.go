package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCertificatesServe proves N16's helper: what is made serves both sides over
// a real connection, and names the node.
func TestCertificatesServe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "certs")
	var out, errs bytes.Buffer
	if err := run(&out, &errs, []string{"-out", dir, "-nodes", "worker-1 worker-2.example.org"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"tls " + dir + "/coredns.crt " + dir + "/coredns.key " + dir + "/ca.crt\n",
		"--node worker-1 --dns tcp://localhost:7353 --tls-cert " + dir + "/node-worker-1.crt --tls-key " + dir + "/node-worker-1.key --tls-ca " + dir + "/ca.crt\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got %s, want %s", out.String(), want)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 8 {
		t.Fatalf("got %v and %v, want 8 files", entries, err)
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: got mode %v and %v, want 0600", entry.Name(), info.Mode(), err)
		}
	}
	for _, node := range []string{"worker-1", "worker-2.example.org"} {
		state := handshake(t, dir, "node-"+node)
		if got, want := state.PeerCertificates[0].URIs[0].String(), "spiffe://nameward.test/node/"+node; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func handshake(t *testing.T, dir, client string) tls.ConnectionState {
	t.Helper()
	roots := x509.NewCertPool()
	text, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil || !roots.AppendCertsFromPEM(text) {
		t.Fatalf("no authority: %v", err)
	}
	pair := func(name string) []tls.Certificate {
		c, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key"))
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{c}
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: pair("coredns"), ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err == nil {
			tls.Client(conn, &tls.Config{ServerName: "localhost", RootCAs: roots, Certificates: pair(client)}).Handshake()
			conn.Close()
		}
	}()
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	secured := conn.(*tls.Conn)
	if err := secured.Handshake(); err != nil {
		t.Fatal(err)
	}
	return secured.ConnectionState()
}

// TestNothingIsReplaced: not one file where one of them exists.
func TestNothingIsReplaced(t *testing.T) {
	dir := t.TempDir()
	kept := filepath.Join(dir, "node-b.key")
	if err := os.WriteFile(kept, []byte("keep me"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := run(new(bytes.Buffer), new(bytes.Buffer), []string{"-out", dir, "-nodes", "a b"})
	if err == nil || !strings.Contains(err.Error(), kept+" exists") {
		t.Errorf("got %v, want an error that names %s", err, kept)
	}
	content, _ := os.ReadFile(kept)
	entries, _ := os.ReadDir(dir)
	if string(content) != "keep me" || len(entries) != 1 {
		t.Errorf("got %q and %v, want the file as it was, alone", content, entries)
	}
}

// TestMistakes proves S5: each names the flag, and what would be right.
func TestMistakes(t *testing.T) {
	for args, says := range map[string]string{
		"":                                  "-out: required",
		"-out DIR":                          "-nodes: required",
		"-out DIR -nodes Worker":            `-nodes: "Worker" is no node's name; want lower case`,
		"-out DIR -nodes a/b":               `-nodes: "a/b" is no node's name`,
		"-out DIR -nodes a -life 1s":        "-life: 1s; want 1m to 2160h",
		"-out DIR -nodes a b":               `unexpected argument "b"`,
		"-out DIR -nodes a -servers= ":      "-servers: empty",
		"-out DIR -nodes a -trust-domain A": "-trust-domain: \"A\"; want a domain name",
	} {
		dir := t.TempDir()
		err := run(new(bytes.Buffer), new(bytes.Buffer), strings.Fields(strings.ReplaceAll(args, "DIR", dir)))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v, want %q", args, err, says)
		}
		if entries, _ := os.ReadDir(dir); len(entries) > 0 {
			t.Errorf("%q: left %v behind", args, entries)
		}
	}
}
