package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/nameward/nameward/enforcer/dns"
	"github.com/nameward/nameward/enforcer/grants"
	"github.com/nameward/nameward/enforcer/manifests"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
)

const defaultPin = "/sys/fs/bpf/nameward"

// options are the flags as given.
type options struct {
	manifests, pin, node, metrics string
	dns                           []string
	verdict, mode                 string
	minTTL, grace                 time.Duration
	clusterDNS, guardAllow, nat64 []string
	inCluster                     bool
	perName, perPod               int
	tls                           dns.Credentials
	logFormat, logLevel           string
	connections                   uint32
}

func (o *options) register(f *pflag.FlagSet) {
	f.StringVar(&o.manifests, "manifests", "", "folder of Kubernetes manifests: pods, namespaces, nodes, services, policies (required)")
	f.StringArrayVar(&o.dns, "dns", nil, "where CoreDNS serves enforcers, unix:///path or tcp://host:port; every replica behind the host name is dialled (repeatable)")
	f.StringVar(&o.verdict, "default", "deny", "deny or allow where no policy decides; the manifests' settings override it")
	f.StringVar(&o.mode, "mode", "enforce", "enforce drops what is denied, audit only reports it; settings and annotations in the manifests override it")
	f.StringVar(&o.pin, "pin", defaultPin, "directory on a BPF file system for state that outlives the program")
	f.StringVar(&o.node, "node", "", "name of this node in the manifests (default: the host name)")
	f.StringVar(&o.metrics, "metrics", "", "address for /metrics, /healthz and /readyz, such as :9099 (default: none)")
	f.DurationVar(&o.minTTL, "min-ttl", 30*time.Second, "shortest lifetime of a learnt address")
	f.DurationVar(&o.grace, "grace", 60*time.Second, "how long a learnt address outlives its TTL")
	f.StringSliceVar(&o.clusterDNS, "cluster-dns", nil, "addresses that pods with name rules may ask on port 53 (comma-separated)")
	f.StringSliceVar(&o.guardAllow, "guard-allow", nil, "private CIDRs that names may resolve to (comma-separated)")
	f.BoolVar(&o.inCluster, "guard-in-cluster", false, "let names resolve to pods and Services, headless ones too; never to nodes")
	f.StringSliceVar(&o.nat64, "nat64", nil, "NAT64 prefixes in use besides 64:ff9b::/96 and 64:ff9b:1::/48; names may resolve to what their IPv4 address may (comma-separated)")
	f.IntVar(&o.perName, "addresses-per-name", grants.DefaultPerName, fmt.Sprintf("addresses that a pod can hold of one name, 1 to %d", manifests.MaxAddresses))
	f.IntVar(&o.perPod, "addresses-per-pod", grants.DefaultPerPod, fmt.Sprintf("addresses that a pod can hold of all names, 1 to %d", manifests.MaxAddresses))
	f.StringVar(&o.tls.Cert, "tls-cert", "", "client certificate for tcp targets, PEM; read again for each connection")
	f.StringVar(&o.tls.Key, "tls-key", "", "key of --tls-cert, PEM")
	f.StringVar(&o.tls.CA, "tls-ca", "", "CA of CoreDNS's certificates, PEM")
	f.StringVar(&o.tls.Token, "token", "", "file with a service-account token for tcp targets, instead of --tls-cert; read again for each connection")
	f.StringVar(&o.logFormat, "log-format", "text", "text or json")
	f.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error")
	f.Uint32Var(&o.connections, "connections", 8192, "connections tracked for each pod, 64 to 4194304")
}

// config is what the flags mean, checked.
type config struct {
	manifests, pin, node string
	metrics              string
	targets              []dns.Target
	credentials          dns.Credentials
	verdict              policy.Verdict
	mode                 convert.Mode
	minTTL, grace        time.Duration
	clusterDNS           []netip.Addr
	guardAllow, nat64    []netip.Prefix
	inCluster            bool
	perName, perPod      int
	connections          uint32
	log                  *slog.Logger
}

// config checks the flags and says of all that are wrong what would be right.
func (o *options) config(e env) (config, error) {
	c := config{
		manifests: o.manifests, pin: o.pin, metrics: o.metrics, credentials: o.tls,
		minTTL: o.minTTL, grace: o.grace, connections: o.connections,
		inCluster: o.inCluster, perName: o.perName, perPod: o.perPod,
	}
	var errs []error
	flag := func(name string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("--%s: %w", name, err))
		}
	}
	var err error
	flag("manifests", checkFolder(o.manifests))
	flag("pin", checkPin(o.pin))
	flag("metrics", checkListen(o.metrics))
	c.node, err = nodeName(o.node, e)
	flag("node", err)
	c.verdict, err = parseVerdict(o.verdict)
	flag("default", err)
	c.mode, err = convert.ParseMode(o.mode)
	flag("mode", err)
	flag("min-ttl", checkLifetime(o.minTTL))
	flag("grace", checkLifetime(o.grace))
	c.clusterDNS, err = parseAddresses(o.clusterDNS)
	flag("cluster-dns", err)
	c.guardAllow, err = parsePrefixes(o.guardAllow)
	flag("guard-allow", err)
	c.nat64, err = parseNAT64(o.nat64)
	flag("nat64", err)
	flag("addresses-per-name", checkAddresses(o.perName))
	flag("addresses-per-pod", checkAddresses(o.perPod))
	c.targets, err = parseTargets(o.dns)
	flag("dns", err)
	errs = append(errs, checkTLS(c.targets, o.tls)...)
	if o.connections < 64 || o.connections > 1<<22 {
		flag("connections", fmt.Errorf("%d is out of range, want 64 to %d", o.connections, 1<<22))
	}
	c.log, err = logger(e.stderr, o.logFormat, o.logLevel)
	errs = append(errs, err)
	return c, errors.Join(errs...)
}

func checkFolder(dir string) error {
	if dir == "" {
		return errors.New("required: a folder of Kubernetes manifests")
	}
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is a file, want a folder", dir)
	}
	_, err = os.ReadDir(dir)
	return err
}

func checkPin(dir string) error {
	if !filepath.IsAbs(dir) {
		return fmt.Errorf("%q: want an absolute directory, such as %s", dir, defaultPin)
	}
	return nil
}

func checkListen(addr string) error {
	if addr == "" {
		return nil
	}
	if _, err := net.ResolveTCPAddr("tcp", addr); err != nil {
		return fmt.Errorf("%q: want host:port or :port", addr)
	}
	return nil
}

func nodeName(name string, e env) (string, error) {
	if name != "" {
		return name, nil
	}
	name, err := e.hostname()
	if err != nil {
		return "", fmt.Errorf("not given, and the host has no name: %w", err)
	}
	return name, nil
}

func parseVerdict(s string) (policy.Verdict, error) {
	switch strings.ToLower(s) {
	case "deny":
		return policy.Deny, nil
	case "allow":
		return policy.Allow, nil
	}
	return policy.VerdictUnknown, fmt.Errorf("%q: want deny or allow", s)
}

func checkLifetime(d time.Duration) error {
	if d < 0 || d > 24*time.Hour {
		return fmt.Errorf("%v: want 0s to 24h", d)
	}
	return nil
}

func checkAddresses(n int) error {
	if n < 1 || n > manifests.MaxAddresses {
		return fmt.Errorf("%d is out of range, want 1 to %d", n, manifests.MaxAddresses)
	}
	return nil
}

// grantsFor sizes the kernel's table of a pod that can hold so many addresses:
// the new are written before the old are removed. Zero is the usual size, below
// which a small limit saves nothing.
func grantsFor(perPod int) uint32 {
	if perPod <= grants.DefaultPerPod {
		return 0
	}
	return uint32(perPod + perPod/4)
}

func parseNAT64(all []string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for _, s := range all {
		p, err := convert.NAT64(strings.TrimSpace(s))
		if err != nil {
			return nil, err
		}
		prefixes = append(prefixes, p)
	}
	return prefixes, nil
}

func parseAddresses(all []string) ([]netip.Addr, error) {
	var addrs []netip.Addr
	for _, s := range all {
		a, err := netip.ParseAddr(strings.TrimSpace(s))
		if err != nil {
			return nil, fmt.Errorf("%q: want an IP address", s)
		}
		addrs = append(addrs, a.Unmap())
	}
	return addrs, nil
}

func parsePrefixes(all []string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for _, s := range all {
		p, err := netip.ParsePrefix(strings.TrimSpace(s))
		if err != nil {
			return nil, fmt.Errorf("%q: want a CIDR, such as 10.0.0.0/8", s)
		}
		prefixes = append(prefixes, p.Masked())
	}
	return prefixes, nil
}

func parseTargets(all []string) ([]dns.Target, error) {
	var targets []dns.Target
	for _, s := range all {
		t, err := dns.ParseTarget(s)
		if err != nil {
			return nil, err
		}
		if slices.Contains(targets, t) {
			return nil, fmt.Errorf("%q: given twice", s)
		}
		targets = append(targets, t)
	}
	return targets, nil
}

// checkTLS reads the files once, so that a mistake shows at the start instead
// of at the first connection.
func checkTLS(targets []dns.Target, files dns.Credentials) (errs []error) {
	needed := files != dns.Credentials{}
	var why string
	for _, t := range targets {
		if !t.Unix() {
			needed, why = true, fmt.Sprintf(" by --dns %s", t)
		}
	}
	if !needed {
		return nil
	}
	certificate := files.Token == "" || files.Cert != "" || files.Key != ""
	for _, f := range []struct {
		flag, path string
		needed     bool
	}{{"tls-cert", files.Cert, certificate}, {"tls-key", files.Key, certificate}, {"tls-ca", files.CA, true}, {"token", files.Token, false}} {
		if f.path == "" {
			if f.needed {
				errs = append(errs, fmt.Errorf("--%s: required%s; certificate, key and CA go together, or --token and the CA", f.flag, why))
			}
		} else if _, err := os.ReadFile(f.path); err != nil {
			errs = append(errs, fmt.Errorf("--%s: %w", f.flag, err))
		}
	}
	if len(errs) > 0 {
		return errs
	}
	if _, err := files.Config(""); err != nil {
		errs = append(errs, fmt.Errorf("--tls-cert, --tls-key, --tls-ca: %w", err))
	}
	if _, err := files.ReadToken(); err != nil {
		errs = append(errs, fmt.Errorf("--token: %w", err))
	}
	return errs
}

func logger(w io.Writer, format, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level: %q: want debug, info, warn or error", level)
	}
	opts := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	}
	return nil, fmt.Errorf("--log-format: %q: want text or json", format)
}
