package dns

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Target is where one CoreDNS, or one set of CoreDNS replicas behind a host
// name, serves enforcers.
type Target struct {
	// path of a unix socket, or "" for TCP
	path string
	// host is a name or an address literal, port a number; TCP only
	host, port string
	// namespace and service of a Kubernetes Service, or "" for others; host is
	// its name in DNS then, without the cluster's domain
	namespace, service string
}

// ParseTarget reads unix:///absolute/path, tcp://host:port or
// service://namespace/name:port.
func ParseTarget(s string) (Target, error) {
	scheme, rest, found := strings.Cut(s, "://")
	if !found {
		return Target{}, fmt.Errorf("%q: want unix:///path, tcp://host:port or service://namespace/name:port", s)
	}
	switch scheme {
	case "unix":
		return parseUnix(s, rest)
	case "tcp":
		return parseTCP(s, rest)
	case "service":
		return parseService(s, rest)
	}
	return Target{}, fmt.Errorf("%q: unknown scheme %q, want unix, tcp or service", s, scheme)
}

// maxSocketPath is the size of sockaddr_un.sun_path less its final zero.
const maxSocketPath = 107

func parseUnix(s, path string) (Target, error) {
	if !filepath.IsAbs(path) {
		return Target{}, fmt.Errorf("%q: want an absolute path, such as unix:///run/nameward/dns.sock", s)
	}
	if len(path) > maxSocketPath {
		return Target{}, fmt.Errorf("%q: path has %d bytes, a unix socket's at most %d", s, len(path), maxSocketPath)
	}
	return Target{path: filepath.Clean(path)}, nil
}

func parseTCP(s, hostport string) (Target, error) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil || host == "" {
		return Target{}, fmt.Errorf("%q: want tcp://host:port, an IPv6 address in brackets", s)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return Target{}, fmt.Errorf("%q: port %q is not a number from 1 to 65535", s, port)
	}
	return Target{host: host, port: port}, nil
}

// parseService leaves it to the API server which names there are.
func parseService(s, rest string) (Target, error) {
	namespace, hostport, _ := strings.Cut(rest, "/")
	name, port, err := net.SplitHostPort(hostport)
	if err != nil || len(validation.IsDNS1123Label(namespace)) > 0 || len(validation.IsDNS1123Label(name)) > 0 {
		return Target{}, fmt.Errorf("%q: want service://namespace/name:port", s)
	}
	t, err := parseTCP(s, net.JoinHostPort(name+"."+namespace+".svc", port))
	if err != nil {
		return Target{}, err
	}
	t.namespace, t.service = namespace, name
	return t, nil
}

// String is the form that ParseTarget reads.
func (t Target) String() string {
	if t.Unix() {
		return "unix://" + t.path
	}
	if t.Service() {
		return "service://" + t.namespace + "/" + net.JoinHostPort(t.service, t.port)
	}
	return "tcp://" + net.JoinHostPort(t.host, t.port)
}

// Unix says whether the target is a socket of this node. Everything else is
// TCP and needs TLS.
func (t Target) Unix() bool { return t.path != "" }

// Service says whether the target is a Service of the cluster, whose endpoints
// the API server knows: DNS may be what is to be reached.
func (t Target) Service() bool { return t.service != "" }
