// Command certs makes what mutual TLS needs for a trial: a certificate
// authority, a certificate for CoreDNS and one for the enforcer of each node. It
// knows who needs which files; it is no way to run an authority, whose key it
// leaves beside the rest.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

func main() {
	if err := run(os.Stdout, os.Stderr, os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "certs:", err)
		}
		os.Exit(2)
	}
}

// order is what is to be made.
type order struct {
	out     string
	nodes   []string
	servers []string
	domain  string
	life    time.Duration
}

// nodeName is the form of a Kubernetes object's name (RFC 1123 subdomain).
var nodeName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

func run(stdout, stderr io.Writer, args []string) error {
	var o order
	flags := flag.NewFlagSet("certs", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.out, "out", "", "directory for the files, made if it is missing (required)")
	nodes := flags.String("nodes", "", "names of the nodes, with spaces in between (required)")
	servers := flags.String("servers", "localhost 127.0.0.1 ::1", "names and addresses under which enforcers reach CoreDNS")
	flags.StringVar(&o.domain, "trust-domain", "nameward.test", "trust domain of the enforcers' SPIFFE IDs")
	flags.DurationVar(&o.life, "life", 24*time.Hour, "how long the certificates are valid")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q; want flags only", flags.Arg(0))
	}
	o.nodes, o.servers = strings.Fields(*nodes), strings.Fields(*servers)
	if err := o.check(); err != nil {
		return err
	}
	if err := o.make(time.Now()); err != nil {
		return err
	}
	o.explain(stdout)
	return nil
}

func (o *order) check() error {
	switch {
	case o.out == "":
		return errors.New("-out: required, the directory for the files")
	case len(o.nodes) == 0:
		return errors.New("-nodes: required, the names of the nodes with spaces in between")
	case len(o.servers) == 0:
		return errors.New("-servers: empty; want the names or addresses under which enforcers reach CoreDNS")
	case o.life < time.Minute || o.life > 90*24*time.Hour:
		return fmt.Errorf("-life: %v; want 1m to 2160h, as these are for a trial", o.life)
	case !nodeName.MatchString(o.domain):
		return fmt.Errorf("-trust-domain: %q; want a domain name in lower case", o.domain)
	}
	for _, node := range o.nodes {
		if !nodeName.MatchString(node) {
			return fmt.Errorf("-nodes: %q is no node's name; want lower case letters, digits, dots and dashes", node)
		}
	}
	out, err := filepath.Abs(o.out)
	if err != nil {
		return fmt.Errorf("-out: %w", err)
	}
	o.out = out
	return nil
}

// explain prints what to do with the files.
func (o *order) explain(w io.Writer) {
	file := func(name string) string { return filepath.Join(o.out, name) }
	fmt.Fprintf(w, "Valid for %v. In the Corefile, beside listen tcp://:7353 in the block nameward:\n\n", o.life)
	fmt.Fprintf(w, "    tls %s %s %s\n\n", file("coredns.crt"), file("coredns.key"), file("ca.crt"))
	fmt.Fprintf(w, "Flags of the enforcer, on node %s for one:\n\n", o.nodes[0])
	client := "node-" + o.nodes[0]
	fmt.Fprintf(w, "    --node %s --dns tcp://%s:7353 --tls-cert %s --tls-key %s --tls-ca %s\n",
		o.nodes[0], bracketed(o.servers[0]), file(client+".crt"), file(client+".key"), file("ca.crt"))
}

func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}
