// Package apiserver is a Kubernetes API server of a run's own, with its etcd and
// no node: what an enforcer reads in a large cluster. It knows how both are
// started and how objects get into them, and which cluster that makes; it must
// not know what is measured with it.
package apiserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/nameward/nameward/hack/certs/ca"
	"github.com/nameward/nameward/hack/demo/product"
	"github.com/nameward/nameward/hack/demo/scene"
)

const (
	// address is the API server's: one of the loopback, since it refuses to be
	// found at 127.0.0.1.
	address = "192.0.2.1"
	url     = "https://" + address + ":6443"
	etcd    = "http://127.0.0.1:2379"
)

// Binaries are the programs' paths.
type Binaries struct{ Etcd, Server string }

// In are those of the lab in hack/lab, where it has built them into the folder.
func In(folder string) Binaries {
	return Binaries{Etcd: filepath.Join(folder, "etcd"), Server: filepath.Join(folder, "kube-apiserver")}
}

// Ready says in one sentence what is missing.
func (b Binaries) Ready() error {
	for _, path := range []string{b.Etcd, b.Server} {
		if info, err := os.Stat(path); err != nil || info.Mode()&0o111 == 0 {
			return fmt.Errorf("%s is no program; run `hack/lab/lab build`, which builds it, or give the folder that has etcd and kube-apiserver", path)
		}
	}
	return nil
}

// Server is a running API server. Close ends it.
type Server struct {
	// Kubeconfig is the path of a file that leads there, with all rights.
	Kubeconfig string

	node         *scene.Netspace
	folder       string
	etcd, server *product.Process
	web          *http.Client // to the API server
	store        *http.Client // to etcd
}

// Start starts both programs inside the network namespace, with their files in
// the folder, and returns when the API server is ready.
func Start(ctx context.Context, b Binaries, node *scene.Netspace, folder string) (_ *Server, err error) {
	s := &Server{node: node, folder: folder, store: &http.Client{Transport: transport(node, nil)}}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, s.tails())
			s.Close()
		}
	}()
	if err := node.Do(ownAddress); err != nil {
		return nil, err
	}
	files, client, err := s.certificates()
	if err != nil {
		return nil, err
	}
	s.web = &http.Client{Transport: transport(node, client)}
	// What it keeps is the run's alone: nothing has to outlive a crash.
	if s.etcd, err = product.Launch(node, s.path("etcd.log"), "", b.Etcd, "--data-dir", s.path("etcd"), "--unsafe-no-fsync",
		"--log-level", "warn", "--quota-backend-bytes", "6000000000", "--snapshot-count", "2000",
		"--listen-client-urls", etcd, "--advertise-client-urls", etcd,
		"--listen-peer-urls", "http://127.0.0.1:2380", "--initial-advertise-peer-urls", "http://127.0.0.1:2380",
		"--initial-cluster", "default=http://127.0.0.1:2380"); err != nil {
		return nil, err
	}
	if err := await(ctx, s.etcd, func() error { return ask(ctx, s.store, http.MethodGet, etcd+"/health", "", nil) }); err != nil {
		return nil, fmt.Errorf("etcd is not ready: %w", err)
	}
	if s.server, err = product.Launch(node, s.path("apiserver.log"), "", b.Server, "--etcd-servers", etcd,
		"--bind-address", address, "--advertise-address", address, "--secure-port", "6443",
		"--tls-cert-file", files.Cert, "--tls-private-key-file", files.Key, "--client-ca-file", files.CA,
		"--service-account-issuer", url, "--service-account-key-file", files.Cert, "--service-account-signing-key-file", files.Key,
		"--service-cluster-ip-range", serviceNetwork, "--authorization-mode", "RBAC", "--profiling=false"); err != nil {
		return nil, err
	}
	if err := await(ctx, s.server, func() error { return s.ask(ctx, http.MethodGet, "/readyz", "", nil) }); err != nil {
		return nil, fmt.Errorf("the API server is not ready: %w", err)
	}
	return s, nil
}

func ownAddress() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	own, err := netlink.ParseAddr(address + "/32")
	if err != nil {
		return err
	}
	return netlink.AddrAdd(lo, own)
}

const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: bench, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: bench, user: {client-certificate: %q, client-key: %q}}]
contexts: [{name: bench, context: {cluster: bench, user: bench}}]
current-context: bench
`

// certificates makes those of both sides, and the kubeconfig.
func (s *Server) certificates() (server ca.Files, _ *tls.Config, err error) {
	authority, err := ca.New("bench", time.Now(), 24*time.Hour)
	if err != nil {
		return server, nil, err
	}
	of, err := authority.Server("kube-apiserver", address)
	if err != nil {
		return server, nil, err
	}
	if server, err = authority.Save(s.folder, "server", of); err != nil {
		return server, nil, err
	}
	admin, err := authority.Client(pkix.Name{CommonName: "bench", Organization: []string{"system:masters"}}, "bench", "bench")
	if err != nil {
		return server, nil, err
	}
	client, err := authority.Save(s.folder, "client", admin)
	if err != nil {
		return server, nil, err
	}
	s.Kubeconfig = s.path("kubeconfig")
	trusted := x509.NewCertPool()
	trusted.AddCert(authority.Own.Leaf)
	return server, &tls.Config{RootCAs: trusted, Certificates: []tls.Certificate{admin}},
		os.WriteFile(s.Kubeconfig, fmt.Appendf(nil, kubeconfig, url, client.CA, client.Cert, client.Key), 0o600)
}

// Create creates one object from YAML at a path such as
// /apis/apiextensions.k8s.io/v1/customresourcedefinitions.
func (s *Server) Create(ctx context.Context, path, yaml string) error {
	return s.ask(ctx, http.MethodPost, path, "application/yaml", strings.NewReader(yaml))
}

// Merge changes the object at a path by a JSON merge patch (RFC 7396).
func (s *Server) Merge(ctx context.Context, path, patch string) error {
	return s.ask(ctx, http.MethodPatch, path, "application/merge-patch+json", strings.NewReader(patch))
}

func (s *Server) ask(ctx context.Context, method, path, contentType string, body io.Reader) error {
	return ask(ctx, s.web, method, url+path, contentType, body)
}

func ask(ctx context.Context, web *http.Client, method, url, contentType string, body io.Reader) error {
	request, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := web.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %.400s", method, url, response.Status, text)
	}
	return err
}

// transport asks from inside the network namespace.
func transport(n *scene.Netspace, with *tls.Config) *http.Transport {
	return &http.Transport{
		TLSClientConfig: with, MaxIdleConnsPerHost: loaders,
		DialContext: func(ctx context.Context, network, address string) (c net.Conn, err error) {
			err = n.Do(func() error {
				c, err = new(net.Dialer).DialContext(ctx, network, address)
				return err
			})
			return c, err
		},
	}
}

// starting is how long a program may take to be ready, on a busy machine.
const starting = 90 * time.Second

func await(ctx context.Context, p *product.Process, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, starting)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return nil
		}
		if !p.Running() {
			return errors.New("it has ended")
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *Server) path(name string) string { return filepath.Join(s.folder, name) }

// tails are the ends of both logs.
func (s *Server) tails() string {
	var all []string
	for _, p := range []*product.Process{s.etcd, s.server} {
		if p != nil {
			all = append(all, p.Tail())
		}
	}
	return strings.Join(all, "\n")
}

// Close ends both programs. Their files go with the folder.
func (s *Server) Close() {
	if s.server != nil {
		s.server.Kill() // it would wait for those who watch
	}
	if s.etcd != nil {
		s.etcd.Kill()
	}
}
