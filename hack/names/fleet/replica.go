package fleet

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"

	"github.com/nameward/nameward/hack/certs/ca"
	"github.com/nameward/nameward/hack/demo/product"
	"github.com/nameward/nameward/hack/demo/scene"
)

// Replica is a CoreDNS in a network namespace of its own.
type Replica struct {
	*Program

	address scene.Dual
	net     *scene.Netspace
	folder  string
}

// newReplica makes the replica's network.
func (f *Fleet) newReplica(i int, name string) (_ *Replica, err error) {
	r := &Replica{Program: &Program{Name: name}, address: replicaAddress(i), folder: f.folder}
	if r.net, err = f.netspace(name); err != nil {
		return nil, err
	}
	stub := scene.Stub{Interface: name, Address: r.address, Gateway: authority, Source: authority}
	return r, stub.Attach(f.world, r.net)
}

// Server is where pods ask this replica and no other.
func (r *Replica) Server(f scene.Family) netip.AddrPort {
	return netip.AddrPortFrom(r.address.Of(f), dnsPort)
}

// stream is where enforcers connect.
func (r *Replica) stream() netip.AddrPort { return netip.AddrPortFrom(r.address.V4, streamPort) }

// Pages of a replica, on its own loopback.
const (
	readyPage   = "127.0.0.1:8181"
	healthPage  = "127.0.0.1:8080"
	metricsPage = "127.0.0.1:9153"
)

// coredns writes the replica's Corefile and says how it is started.
func (r *Replica) coredns(path, hold string, id ca.Files) (func() (*product.Process, error), error) {
	text := fmt.Sprintf(`.:%d {
    bind %s %s
    nameward {
        listen tcp://%s
        tls %s %s %s
        hold %s
    }
    errors
    ready %s
    health %s
    prometheus %s
    cache 30
    forward . %s
}
`, dnsPort, r.address.V4, r.address.V6, r.stream(), id.Cert, id.Key, id.CA, hold, readyPage, healthPage, metricsPage, authority.V4)
	corefile := filepath.Join(r.folder, r.Name+".Corefile")
	if err := os.WriteFile(corefile, []byte(text), 0o644); err != nil {
		return nil, fmt.Errorf("write Corefile: %w", err)
	}
	return func() (*product.Process, error) {
		return product.Launch(r.net, filepath.Join(r.folder, r.Name+".log"), "http://"+readyPage+"/ready", path, "-conf", corefile)
	}, nil
}

// Reload has the replica read its Corefile again.
func (r *Replica) Reload() error { return r.Signal(syscall.SIGUSR1) }

// Sum is a metric's sum over all its labels, since the replica's last start.
func (r *Replica) Sum(ctx context.Context, metric string) (float64, error) {
	return r.now().Sum(ctx, "http://"+metricsPage+"/metrics", metric)
}
