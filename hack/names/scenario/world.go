package scenario

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/nameward/nameward/hack/certs/ca"
	"github.com/nameward/nameward/hack/demo/product"
	"github.com/nameward/nameward/hack/demo/scene"
	"github.com/nameward/nameward/hack/names/authority"
)

// world is a node with the programs that the rows are played on.
type world struct {
	scene     *scene.Scene
	product   *product.Product
	authority *authority.Server
	closers   []func() error
}

// private are networks outside that the guard must refuse although they lead
// somewhere. The metadata address is one of them.
var private = []netip.Prefix{
	netip.MustParsePrefix("10.1.2.0/24"),
	netip.MustParsePrefix("172.16.9.0/24"),
	netip.MustParsePrefix("192.168.7.0/24"),
	netip.MustParsePrefix("100.64.3.0/24"),
	netip.MustParsePrefix("169.254.169.254/32"),
	netip.MustParsePrefix("240.1.2.0/24"),
	netip.MustParsePrefix("fd12::/64"),
	netip.MustParsePrefix("fd00:ec2::254/128"),
	netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("2001::/32"),
}

// build makes the world in folder, which is empty. The caller closes it, after
// an error too.
func (w *world) build(ctx context.Context, folder string, binaries product.Binaries, scripts map[string]authority.Script) (err error) {
	prefix := fmt.Sprintf("nws%d", os.Getpid())
	networks := append([]netip.Prefix{block4, block6}, private...)
	w.scene, err = scene.New(prefix, scene.WithNetworks(networks...), scene.WithAuthority(w.serve(scripts)))
	if err != nil {
		return err
	}
	w.closers = append(w.closers, w.scene.Close)
	if err := w.scene.Node.Do(listenAddresses); err != nil {
		return fmt.Errorf("address the chains: %w", err)
	}
	if w.product, err = product.New(w.scene, folder, binaries); err != nil {
		return err
	}
	w.closers = append(w.closers, w.product.Close)
	if err := w.product.Apply("1-policies.yaml", []byte(policies)); err != nil {
		return err
	}
	return w.start(ctx)
}

// close ends what was begun, the last first.
func (w *world) close() error {
	var errs []error
	for i := len(w.closers) - 1; i >= 0; i-- {
		errs = append(errs, w.closers[i]())
	}
	return errors.Join(errs...)
}

func (w *world) serve(scripts map[string]authority.Script) func(*scene.Netspace) (func() error, error) {
	return func(outside *scene.Netspace) (func() error, error) {
		packets, streams, err := outside.ListenDNS()
		if err != nil {
			return nil, err
		}
		w.authority = authority.Serve(packets, streams, scripts)
		return w.authority.Stop, nil
	}
}

// listenAddresses gives the node the chains' addresses.
func listenAddresses() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	for c := range chains {
		for _, family := range scene.Families {
			addr := c.address().Of(family)
			network := &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(addr.BitLen(), addr.BitLen())}
			if err := netlink.AddrAdd(lo, &netlink.Addr{IPNet: network}); err != nil {
				return fmt.Errorf("add %s: %w", addr, err)
			}
		}
	}
	return nil
}

// start writes the programs' files and starts the programs.
func (w *world) start(ctx context.Context) error {
	folder := w.product.Folder()
	if err := writeFiles(folder); err != nil {
		return err
	}
	values := strings.NewReplacer(
		"AUTHORITY", scene.Authority.V4.String(),
		"CLUSTER", plain.address().V4.String(),
		"BEHIND", bare.address().V4.String(),
		"FOLDER", folder,
		"MADE", madeAddress.String(),
	)
	cluster, node := w.product.Socket("cluster"), w.product.Socket("beside")
	err := w.product.Serve(ctx, "cluster", clusterFile(cluster, folder, values), clusterReady)
	if err != nil {
		return err
	}
	if err := w.product.Serve(ctx, "beside", besideFile(node, values), besideReady); err != nil {
		return err
	}
	var dns []string
	for c := range chains {
		dns = append(dns, c.address().V4.String(), c.address().V6.String())
	}
	return w.product.Enforce(ctx, "--dns", cluster, "--dns", node, "--cluster-dns", strings.Join(dns, ","),
		"--min-ttl", minTTL.String(), "--grace", grace.String())
}

// Addresses that files of CoreDNS hold, in networks that no row has.
var (
	madeAddress  = netip.MustParseAddr("44.255.255.1")
	hostsAddress = netip.MustParseAddr("44.255.255.2")
	hosts6       = netip.MustParseAddr("2606:4700:44:ffff::2")
	zoneAddress  = netip.MustParseAddr("44.255.255.3")
)

func writeFiles(folder string) error {
	if err := writeCertificate(folder); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"search.conf": "search crawl.svc.cluster.local svc.cluster.local cluster.local\n",
		"hosts": fmt.Sprintf("%s listed.fault.example\n%s listed.fault.example\n169.254.169.254 metadata.fault.example\n",
			hostsAddress, hosts6),
		"zone": fmt.Sprintf(`$ORIGIN zoned.fault.example.
@ 300 IN SOA ns hostmaster 1 3600 600 86400 60
@ 300 IN NS ns
ns 300 IN A %s
www 300 IN A %[1]s
out 300 IN CNAME zone-target.elsewhere.example.
`, zoneAddress),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("write a file of CoreDNS: %w", err)
		}
	}
	return nil
}

// writeCertificate makes that of CoreDNS's TLS and HTTPS servers.
func writeCertificate(folder string) error {
	issuer, err := ca.New("dns.example", time.Now(), 24*time.Hour)
	if err != nil {
		return err
	}
	c, err := issuer.Server("dns.example")
	if err != nil {
		return err
	}
	_, err = issuer.Save(folder, "server", c)
	return err
}

// policies: both crawlers may reach the names of the table and nothing else;
// guest may reach everything, so that a dropped SYN means that a policy dropped
// it; and pod backend lets everybody in.
const policies = `apiVersion: networking.k8s.aws/v1alpha1
kind: ApplicationNetworkPolicy
metadata:
  name: names
  namespace: crawl
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to:
        - domainNames: ["*.fault.example", "one.exact.example"]
    # DNS over TLS and HTTPS, which naming does not open.
    - to:
        - ipBlock: {cidr: 10.100.53.0/24}
      ports:
        - {protocol: TCP, port: 853}
        - {protocol: TCP, port: 443}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: everything
  namespace: lab
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress: [{}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: everybody
  namespace: app
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress: [{}]
`
