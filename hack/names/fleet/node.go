package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nameward/nameward/hack/certs/ca"
	"github.com/nameward/nameward/hack/demo/product"
	"github.com/nameward/nameward/hack/demo/scene"
)

// Node is a machine with pods and an enforcer of its own.
type Node struct {
	*Program
	// Askers are its pods that resolve and connect.
	Askers []*Pod
	// Bystander is its pod that may not.
	Bystander *Pod

	address scene.Dual
	net     *scene.Netspace
	folder  string
}

// newNode makes the node's network and links it to the world.
func (f *Fleet) newNode(i int) (_ *Node, err error) {
	n := &Node{Program: &Program{Name: nodeName(i)}, address: nodeAddress(i), folder: filepath.Join(f.folder, nodeName(i))}
	if n.net, err = f.netspace(n.Name); err != nil {
		return nil, err
	}
	stub := scene.Stub{Interface: n.Name, Address: n.address, Gateway: authority, Source: authority}
	if err := errors.Join(stub.Attach(f.world, n.net), n.net.Forward()); err != nil {
		return nil, err
	}
	for k, network := range podNetworks(i) {
		if err := f.world.Reach(network, n.address.Of(scene.Families[k])); err != nil {
			return nil, err
		}
	}
	return n, n.net.Do(scene.Service{Address: service, Backends: replicaAddresses()}.Balance)
}

// prepare makes the node's folder: manifests, and a BPF file system.
func (n *Node) prepare() error {
	for _, folder := range []string{n.folder, n.manifests(), n.bpffs()} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			return fmt.Errorf("create folder: %w", err)
		}
	}
	return product.MountBPF(n.bpffs())
}

func (n *Node) manifests() string { return filepath.Join(n.folder, "manifests") }
func (n *Node) bpffs() string     { return filepath.Join(n.folder, "bpf") }

// pages is where every enforcer shows what it counts, on its own loopback.
const pages = "127.0.0.1:9099"

// enforcer says how the node's enforcer is started. It dials each replica.
func (n *Node) enforcer(path string, id ca.Files, replicas []*Replica) func() (*product.Process, error) {
	args := []string{
		"--manifests", n.manifests(), "--node", n.Name, "--pin", filepath.Join(n.bpffs(), "nameward"), "--metrics", pages,
		"--tls-cert", id.Cert, "--tls-key", id.Key, "--tls-ca", id.CA,
	}
	dns := []string{service.V4.String(), service.V6.String()}
	for _, r := range replicas {
		args = append(args, "--dns", "tcp://"+r.stream().String())
		dns = append(dns, r.address.V4.String(), r.address.V6.String())
	}
	args = append(args, "--cluster-dns", strings.Join(dns, ","))
	return func() (*product.Process, error) {
		return product.Launch(n.net, filepath.Join(n.folder, "enforcer.log"), "http://"+pages+"/healthz", path, args...)
	}
}

// AwaitPolicy returns once the newest policy is in the kernel, and the enforcer
// has a session with every replica.
func (n *Node) AwaitPolicy(ctx context.Context) error {
	return n.now().Await(ctx, "http://"+pages+"/readyz")
}

// Counters are the packets by verdict since the node's state was made, however
// many enforcers have come and gone since.
func (n *Node) Counters(ctx context.Context) (product.Counters, error) {
	return n.now().Counters(ctx, "http://"+pages+"/metrics")
}

// apply puts a file into the manifests folder, or takes it out where it is nil.
func (n *Node) apply(name string, text []byte) error {
	path := filepath.Join(n.manifests(), name)
	if text != nil {
		return product.Replace(n.folder, path, text)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("withdraw manifest: %w", err)
	}
	return nil
}
