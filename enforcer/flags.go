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

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/nameward/nameward/enforcer/dns"
	"github.com/nameward/nameward/enforcer/kube"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
	"github.com/nameward/nameward/enforcer/settings"
)

// mistakes are all that is wrong on a command line, in the order of the flags.
type mistakes []error

// note keeps the mistake of a flag, if it is one.
func (m *mistakes) note(flag string, err error) {
	if err != nil {
		*m = append(*m, fmt.Errorf("--%s: %w", flag, err))
	}
}

// parsed is what the flag means, or nothing and a mistake.
func parsed[Given, Meant any](m *mistakes, flag string, parse func(Given) (Meant, error), given Given) Meant {
	meant, err := parse(given)
	m.note(flag, err)
	return meant
}

// source checks which source is wanted, and gives the cluster if it is one.
func (o *options) source(m *mistakes) *kube.REST {
	given := 0
	for _, is := range []bool{o.manifests != "", o.kubernetes, o.kubeconfig != ""} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		*m = append(*m, errors.New("--manifests, --kubernetes and --kubeconfig exclude each other; give one of them"))
	case o.kubernetes:
		return parsed(m, "kubernetes", kube.Load, "")
	case o.kubeconfig != "":
		return parsed(m, "kubeconfig", kube.Load, o.kubeconfig)
	default:
		m.note("manifests", checkFolder(o.manifests))
	}
	return nil
}

// sourceName is what the source is, for the log.
func (c config) sourceName() string {
	if c.cluster != nil {
		return c.cluster.Host
	}
	return c.manifests
}

// ownNamespace is where the enforcer itself lives.
func (e env) ownNamespace(given string) (string, error) {
	if given == "" && e.getenv != nil {
		given = e.getenv("POD_NAMESPACE")
	}
	if given == "" {
		given = defaultNamespace
	}
	if faults := validation.IsDNS1123Label(given); len(faults) > 0 {
		return "", fmt.Errorf("%q is no namespace: %s", given, faults[0])
	}
	return given, nil
}

func checkFolder(dir string) error {
	if dir == "" {
		return errors.New("required: a folder of Kubernetes manifests; or give --kubernetes or --kubeconfig FILE")
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

func (e env) nodeName(name string) (string, error) {
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
	if n < 1 || n > settings.MaxAddresses {
		return fmt.Errorf("%d is out of range, want 1 to %d", n, settings.MaxAddresses)
	}
	return nil
}

func checkConnections(n uint32) error {
	if n < 64 || n > 1<<22 {
		return fmt.Errorf("%d is out of range, want 64 to %d", n, 1<<22)
	}
	return nil
}

// serviceNames reads Services of the cluster's DNS; nil are those of namespace own
// and of kubeadm and its kind.
func serviceNames(own string) func([]string) ([]types.NamespacedName, error) {
	return func(given []string) ([]types.NamespacedName, error) {
		if given == nil {
			return []types.NamespacedName{{Namespace: metav1.NamespaceSystem, Name: "kube-dns"}, {Namespace: own, Name: "nameward-dns"}}, nil
		}
		var all []types.NamespacedName
		for _, s := range given {
			namespace, name, _ := strings.Cut(s, "/")
			if len(validation.IsDNS1123Label(namespace)) > 0 || len(validation.IsDNS1123Label(name)) > 0 {
				return nil, fmt.Errorf("%q: want namespace/name of a Service, such as kube-system/kube-dns", s)
			}
			all = append(all, types.NamespacedName{Namespace: namespace, Name: name})
		}
		return all, nil
	}
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
