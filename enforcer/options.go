package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/types"

	"github.com/nameward/nameward/enforcer/dns"
	"github.com/nameward/nameward/enforcer/grants"
	"github.com/nameward/nameward/enforcer/kube"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
	"github.com/nameward/nameward/enforcer/settings"
)

const (
	defaultPin       = "/sys/fs/bpf/nameward"
	defaultNamespace = "nameward"
)

// options are the flags as given.
type options struct {
	manifests, pin, node, metrics string
	kubernetes                    bool
	kubeconfig, namespace         string
	resident                      resident
	dns                           []string
	verdict, mode                 string
	minTTL, grace                 time.Duration
	clusterDNS, guardAllow, nat64 []string
	dnsServices                   []string
	inCluster                     bool
	perName, perPod               int
	tls                           dns.Credentials
	logFormat, logLevel           string
	connections                   uint32
}

func (o *options) register(f *pflag.FlagSet) {
	f.StringVar(&o.manifests, "manifests", "", "folder of Kubernetes manifests: pods, namespaces, nodes, services, policies")
	f.BoolVar(&o.kubernetes, "kubernetes", false, "read the cluster that this pod runs in, by its service account, instead of manifests")
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "read the cluster of this kubeconfig file instead of manifests")
	o.resident.register(f)
	f.StringVar(&o.namespace, "namespace", "", "in a cluster, the enforcer's own namespace, which has the ConfigMap of settings (default: $POD_NAMESPACE or nameward)")
	f.StringArrayVar(&o.dns, "dns", nil, "where CoreDNS serves enforcers: unix:///path, tcp://host:port or, in a cluster, service://namespace/name:port; every replica behind a name is dialled (repeatable)")
	f.StringVar(&o.verdict, "default", "deny", "deny or allow where no policy decides; settings override it")
	f.StringVar(&o.mode, "mode", "enforce", "enforce drops what is denied, audit only reports it; settings and annotations override it")
	f.StringVar(&o.pin, "pin", defaultPin, "directory on a BPF file system for state that outlives the program")
	f.StringVar(&o.node, "node", "", "name of this node's Node object (default: the host name)")
	f.StringVar(&o.metrics, "metrics", "", "address for /metrics, /healthz and /readyz, such as :9099 (default: none)")
	f.DurationVar(&o.minTTL, "min-ttl", 30*time.Second, "shortest lifetime of a learnt address")
	f.DurationVar(&o.grace, "grace", 60*time.Second, "how long a learnt address outlives its TTL")
	f.StringSliceVar(&o.clusterDNS, "cluster-dns", nil, "addresses that pods with name rules may ask on port 53 (comma-separated)")
	f.StringSliceVar(&o.dnsServices, "cluster-dns-services", nil, "in a cluster, Services by which pods ask DNS, as namespace/name; where neither --cluster-dns nor the settings name addresses, those of these are meant, as they change (comma-separated, default: kube-system/kube-dns and the own namespace's nameward-dns)")
	f.StringSliceVar(&o.guardAllow, "guard-allow", nil, "private CIDRs that names may resolve to (comma-separated)")
	f.BoolVar(&o.inCluster, "guard-in-cluster", false, "let names resolve to pods and Services, headless ones too; never to nodes")
	f.StringSliceVar(&o.nat64, "nat64", nil, "NAT64 prefixes in use besides 64:ff9b::/96 and 64:ff9b:1::/48; names may resolve to what their IPv4 address may (comma-separated)")
	f.IntVar(&o.perName, "addresses-per-name", grants.DefaultPerName, fmt.Sprintf("addresses that a pod can hold of one name, 1 to %d", settings.MaxAddresses))
	f.IntVar(&o.perPod, "addresses-per-pod", grants.DefaultPerPod, fmt.Sprintf("addresses that a pod can hold of all names, 1 to %d", settings.MaxAddresses))
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
	// cluster is the API server that is the source, nil where manifests are.
	cluster           *kube.REST
	namespace         string
	resident          resident
	posture           settings.Posture
	metrics           string
	targets           []dns.Target
	credentials       dns.Credentials
	verdict           policy.Verdict
	mode              convert.Mode
	minTTL, grace     time.Duration
	clusterDNS        []netip.Addr
	dnsServices       []types.NamespacedName
	guardAllow, nat64 []netip.Prefix
	inCluster         bool
	perName, perPod   int
	connections       uint32
	log               *slog.Logger
}

// config checks the flags and says of all that are wrong what would be right.
func (o *options) config(e env) (config, error) {
	c := config{
		manifests: o.manifests, pin: o.pin, metrics: o.metrics, credentials: o.tls,
		minTTL: o.minTTL, grace: o.grace, connections: o.connections,
		inCluster: o.inCluster, perName: o.perName, perPod: o.perPod,
	}
	var m mistakes
	c.cluster = o.source(&m)
	c.namespace = parsed(&m, "namespace", e.ownNamespace, o.namespace)
	m.note("pin", checkPin(o.pin))
	m.note("metrics", checkListen(o.metrics))
	c.node = parsed(&m, "node", e.nodeName, o.node)
	c.posture = o.resident.check(&m, e, c.node)
	c.resident = o.resident
	c.verdict = parsed(&m, "default", parseVerdict, o.verdict)
	c.mode = parsed(&m, "mode", convert.ParseMode, o.mode)
	m.note("min-ttl", checkLifetime(o.minTTL))
	m.note("grace", checkLifetime(o.grace))
	c.clusterDNS = parsed(&m, "cluster-dns", parseAddresses, o.clusterDNS)
	c.dnsServices = parsed(&m, "cluster-dns-services", serviceNames(c.namespace), o.dnsServices)
	c.guardAllow = parsed(&m, "guard-allow", parsePrefixes, o.guardAllow)
	c.nat64 = parsed(&m, "nat64", parseNAT64, o.nat64)
	m.note("addresses-per-name", checkAddresses(o.perName))
	m.note("addresses-per-pod", checkAddresses(o.perPod))
	c.targets = parsed(&m, "dns", parseTargets, o.dns)
	if c.cluster == nil && slices.ContainsFunc(c.targets, dns.Target.Service) {
		m.note("dns", errors.New("a Service is known in a cluster only; give --kubernetes or --kubeconfig, or write tcp://host:port"))
	}
	m = append(m, checkTLS(c.targets, o.tls)...)
	m.note("connections", checkConnections(o.connections))
	log, err := logger(e.stderr, o.logFormat, o.logLevel)
	c.log = log
	return c, errors.Join(append(m, err)...)
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
