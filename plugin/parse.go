package nameward

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"

	"github.com/miekg/dns"

	"github.com/nameward/nameward/plugin/internal/apiserver"
	"github.com/nameward/nameward/plugin/internal/hub"
)

const (
	defaultHold = 250 * time.Millisecond
	// maxHold is when a stub resolver asks again (resolv.conf(5), timeout).
	maxHold = 5 * time.Second

	defaultJournal = 256
	maxJournal     = 4096

	// maxZones is more than a cluster has.
	maxZones = 64
	// clusterZone is what kubeadm and most others give to clusters.
	clusterZone = "cluster.local."

	// maxSocketPath is what fits sockaddr_un with its final zero byte.
	maxSocketPath = 107
)

// settings are what one block says.
type settings struct {
	listen       []hub.Endpoint
	tls          [3]string // certificate, key, authorities; empty without tls
	certs        *hub.Certificates
	authenticate authentication
	verifyPods   bool
	kubeconfig   string
	api          *apiserver.Client // nil where nothing asks for it
	hold         time.Duration
	servfail     bool // at the bound the client gets SERVFAIL, not the answer
	journal      int  // -1: not said
	cnameTargets bool
	lockdown     lockdown
	root         string
}

// word is one line of a block: how many arguments it takes, how they are shown
// in an error, and what they do.
type word struct {
	min, max int
	usage    string
	apply    func(s *settings, args []string) error
}

var words = map[string]word{
	"listen":              {1, 1, "unix:///PATH | tcp://ADDRESS:PORT", (*settings).addListen},
	"tls":                 {2, 3, "CERT KEY [CA]", (*settings).setTLS},
	"authenticate":        {1, 3, "certificate | token AUDIENCE NAMESPACE/SERVICEACCOUNT", (*settings).setAuthenticate},
	"verify_pods":         {0, 0, "", (*settings).setVerifyPods},
	"kubeconfig":          {1, 1, "FILE", (*settings).setKubeconfig},
	"hold":                {1, 2, "DURATION [servfail]", (*settings).setHold},
	"journal":             {1, 1, "COUNT", (*settings).setJournal},
	"lockdown":            {1, maxZones + 1, "nxdomain|refused [ZONE...]", (*settings).setLockdown},
	"match_cname_targets": {0, 0, "", (*settings).setCNAMETargets},
}

func parse(c *caddy.Controller) (*settings, error) {
	s := &settings{
		hold: defaultHold, journal: -1, root: dnsserver.GetConfig(c).Root,
		lockdown: lockdown{rcode: dns.RcodeNameError, zones: []string{clusterZone}},
	}
	for i := 0; c.Next(); i++ {
		if i > 0 {
			return nil, plugin.ErrOnce
		}
		if args := c.RemainingArgs(); len(args) > 0 {
			return nil, c.Errf("unexpected %q after %s; its words stand in a block { }", args[0], pluginName)
		}
		seen := make(map[string]bool)
		for c.NextBlock() {
			if err := s.parseWord(c, seen); err != nil {
				return nil, err
			}
		}
	}
	if err := s.check(); err != nil {
		return nil, c.Err(err.Error())
	}
	return s, nil
}

func (s *settings) parseWord(c *caddy.Controller, seen map[string]bool) error {
	name := c.Val()
	w, ok := words[name]
	if !ok {
		known := strings.Join(slices.Sorted(maps.Keys(words)), ", ")
		return c.Errf("unknown word %q; want one of %s", name, known)
	}
	if seen[name] && name != "listen" {
		return c.Errf("%s stands here twice; want it once", name)
	}
	seen[name] = true
	args := c.RemainingArgs()
	if len(args) < w.min || len(args) > w.max {
		return c.Errf("%s has %d arguments; want %s", name, len(args), strings.TrimSpace(name+" "+w.usage))
	}
	if err := w.apply(s, args); err != nil {
		return c.Errf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return nil
}

func (s *settings) addListen(args []string) error {
	e, err := parseEndpoint(args[0])
	if err != nil {
		return err
	}
	if slices.Contains(s.listen, e) {
		return errors.New("stands here twice")
	}
	s.listen = append(s.listen, e)
	return nil
}

func parseEndpoint(text string) (hub.Endpoint, error) {
	network, address, _ := strings.Cut(text, "://")
	switch network {
	case "unix":
		if !filepath.IsAbs(address) {
			return hub.Endpoint{}, errors.New("want an absolute path, as in unix:///run/nameward/dns.sock")
		}
		if len(address) > maxSocketPath {
			return hub.Endpoint{}, fmt.Errorf("the path has %d bytes; a socket's path has at most %d", len(address), maxSocketPath)
		}
		return hub.Endpoint{Network: network, Address: filepath.Clean(address)}, nil
	case "tcp":
		_, port, err := net.SplitHostPort(address)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if err != nil {
			return hub.Endpoint{}, errors.New("want ADDRESS:PORT with a port of 0 to 65535, as in tcp://:7353")
		}
		return hub.Endpoint{Network: network, Address: address}, nil
	default:
		return hub.Endpoint{}, errors.New("want unix:///PATH or tcp://ADDRESS:PORT")
	}
}

func (s *settings) setHold(args []string) error {
	d, err := time.ParseDuration(args[0])
	if err != nil || d < 0 || d > maxHold {
		return fmt.Errorf("want a duration from 0 to %v, as in 250ms", maxHold)
	}
	s.hold = d
	if len(args) == 1 {
		return nil
	}
	if args[1] != "servfail" {
		return fmt.Errorf("unknown %q; want servfail or nothing", args[1])
	}
	if d == 0 {
		return errors.New("servfail needs a duration above 0: nothing is held, so nothing is ever late")
	}
	s.servfail = true
	return nil
}

func (s *settings) setJournal(args []string) error {
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 0 || n > maxJournal {
		return fmt.Errorf("want a count from 0 to %d", maxJournal)
	}
	s.journal = n
	return nil
}

func (s *settings) setCNAMETargets([]string) error {
	s.cnameTargets = true
	return nil
}

func (s *settings) setLockdown(args []string) error {
	switch args[0] {
	case "nxdomain":
		s.lockdown.rcode = dns.RcodeNameError
	case "refused":
		s.lockdown.rcode = dns.RcodeRefused
	default:
		return fmt.Errorf("unknown %q; want nxdomain or refused", args[0])
	}
	if len(args) == 1 {
		return nil
	}
	s.lockdown.zones = nil
	for _, text := range args[1:] {
		zones, err := parseZone(text)
		if err != nil {
			return err
		}
		s.lockdown.zones = append(s.lockdown.zones, zones...)
	}
	return nil
}

// parseZone reads a zone, or a CIDR for its reverse zones.
func parseZone(text string) ([]string, error) {
	zones := plugin.Host(text).NormalizeExact()
	if len(zones) == 0 {
		return nil, fmt.Errorf("%q is no zone; want one such as cluster.local or 10.96.0.0/12", text)
	}
	for _, zone := range zones {
		if _, ok := dns.IsDomainName(zone); !ok {
			return nil, fmt.Errorf("%q is no zone; want one such as cluster.local or 10.96.0.0/12", text)
		}
		if zone == "." {
			return nil, fmt.Errorf("%q would let every name pass; want the cluster's own zones", text)
		}
	}
	return zones, nil
}
