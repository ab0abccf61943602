package nameward

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nameward/nameward/plugin/internal/apiserver"
	"github.com/nameward/nameward/plugin/internal/hub"
)

// authentication is how enforcers on TCP prove which node they are of: by their
// certificate, if the rest is empty, else by a token.
type authentication struct {
	said                         bool
	audience, namespace, account string
}

func (a authentication) token() bool { return a.audience != "" }

// check judges the block as a whole, and prepares what it needs of the API.
func (s *settings) check() error {
	tcp := slices.ContainsFunc(s.listen, func(e hub.Endpoint) bool { return e.Network == "tcp" })
	switch {
	case tcp && s.certs == nil:
		return errors.New("listen tcp:// needs tls CERT KEY CA: enforcers and plugin authenticate each other")
	case !tcp && s.certs != nil:
		return errors.New("tls without listen tcp:// in the same block; a unix socket takes no certificates")
	case !tcp && s.authenticate.said:
		return errors.New("authenticate without listen tcp:// in the same block; on a unix socket the kernel says who connects")
	case !tcp && s.verifyPods:
		return errors.New("verify_pods without listen tcp:// in the same block; a unix socket serves its own machine")
	case tcp && !s.authenticate.token() && !s.certs.Authenticating():
		return errors.New("tls has no CA, so enforcers show no certificates; want tls CERT KEY CA, or authenticate token AUDIENCE NAMESPACE/SERVICEACCOUNT")
	case s.kubeconfig != "" && !s.needsAPI():
		return errors.New("kubeconfig without authenticate token or verify_pods in the same block; nothing else asks the API server")
	}
	if !s.needsAPI() {
		return nil
	}
	api, err := apiserver.New(s.kubeconfig, time.Now)
	if err != nil {
		return fmt.Errorf("authenticate token and verify_pods ask the API server: %w", err)
	}
	s.api = api
	return nil
}

func (s *settings) needsAPI() bool { return s.authenticate.token() || s.verifyPods }

// setTLS reads the files at once, so that a wrong one is an error of this line.
func (s *settings) setTLS(args []string) (err error) {
	for i, path := range args {
		s.tls[i] = s.path(path)
	}
	s.certs, err = hub.LoadCertificates(s.tls[0], s.tls[1], s.tls[2])
	return err
}

// path reads a file's name as the root plugin has it.
func (s *settings) path(name string) string {
	if !filepath.IsAbs(name) && s.root != "" {
		return filepath.Join(s.root, name)
	}
	return name
}

func (s *settings) setAuthenticate(args []string) error {
	s.authenticate.said = true
	switch {
	case args[0] == "certificate" && len(args) == 1:
		return nil
	case args[0] == "token" && len(args) == 3:
		namespace, name, _ := strings.Cut(args[2], "/")
		if args[1] == "" || namespace == "" || name == "" || strings.ContainsAny(name, "/:") || strings.Contains(namespace, ":") {
			return errors.New("want token AUDIENCE NAMESPACE/SERVICEACCOUNT, as in token nameward kube-system/nameward")
		}
		s.authenticate.audience, s.authenticate.namespace, s.authenticate.account = args[1], namespace, name
		return nil
	default:
		return errors.New("want certificate, or token AUDIENCE NAMESPACE/SERVICEACCOUNT")
	}
}

func (s *settings) setVerifyPods([]string) error {
	s.verifyPods = true
	return nil
}

func (s *settings) setKubeconfig(args []string) error {
	s.kubeconfig = s.path(args[0])
	return nil
}

// access is what a TCP endpoint of the block needs.
func (s *settings) access() *hub.Access {
	access := &hub.Access{Certificates: s.certs}
	if s.authenticate.token() {
		access.Tokens = s.api.Tokens(s.authenticate.audience, s.authenticate.namespace, s.authenticate.account)
	}
	if s.verifyPods {
		access.Pods = s.api
	}
	return access
}
