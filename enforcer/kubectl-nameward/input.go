package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/nameward/nameward/enforcer/manifests"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
	"github.com/nameward/nameward/enforcer/policy/decode"
	"github.com/nameward/nameward/enforcer/settings"
)

// input is the flags that say what to judge by: what the enforcer is told by
// flags of the same names.
type input struct {
	manifests, verdict, mode, node string
	clusterDNS                     []string
}

func (i *input) register(f *pflag.FlagSet) {
	f.StringVarP(&i.manifests, "manifests", "f", "", "folder of Kubernetes manifests: pods, namespaces, nodes, services, policies (required)")
	f.StringVar(&i.verdict, "default", "deny", "deny or allow where no policy decides; the manifests' settings override it")
	f.StringVar(&i.mode, "mode", "enforce", "enforce or audit, which lets pass what is denied and tells of it; settings and annotations in the manifests override it")
	f.StringSliceVar(&i.clusterDNS, "cluster-dns", nil, "addresses that pods with name rules may ask on port 53 (comma-separated); the manifests' settings override it")
	f.StringVar(&i.node, "node", "", "node of the pods that are on none in the manifests, with its default and addresses")
}

// load reads the folder. Parts of policies that are closed are told on stderr.
func (i *input) load(stderr io.Writer) (*cluster, error) {
	base, err := i.settings()
	if err != nil {
		return nil, usageError{err}
	}
	if err := checkFolder(i.manifests); err != nil {
		return nil, usageError{fmt.Errorf("--manifests: %w", err)}
	}
	snapshot, err := manifests.Load(i.manifests)
	if err != nil {
		return nil, err
	}
	if err := checkNode(i.node, snapshot.Nodes); err != nil {
		return nil, usageError{fmt.Errorf("--node: %w", err)}
	}
	c := newCluster(snapshot, base, i.node, func(text string) { fmt.Fprintf(stderr, "warning: %s\n", text) })
	c.view(i.node) // a look at every policy, whatever is asked
	return c, nil
}

func (i *input) settings() (settings.Settings, error) {
	var settings settings.Settings
	switch strings.ToLower(i.verdict) {
	case "deny":
		settings.Default = policy.Deny
	case "allow":
		settings.Default = policy.Allow
	default:
		return settings, fmt.Errorf("--default: %q: want deny or allow", i.verdict)
	}
	var err error
	if settings.Mode, err = convert.ParseMode(i.mode); err != nil {
		return settings, fmt.Errorf("--mode: %w", err)
	}
	for _, text := range i.clusterDNS {
		addr, err := netip.ParseAddr(strings.TrimSpace(text))
		if err != nil {
			return settings, fmt.Errorf("--cluster-dns: %q: want an IP address", text)
		}
		settings.ClusterDNS = append(settings.ClusterDNS, addr.Unmap())
	}
	return settings, nil
}

func checkFolder(dir string) error {
	if dir == "" {
		return errors.New("required: a folder of Kubernetes manifests, such as -f manifests/")
	}
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is a file, want a folder", dir)
	}
	return nil
}

// checkNode finds a misspelt node, which would have neither the default nor
// the addresses that are meant. Folders without nodes know none by name.
func checkNode(name string, known []policy.Node) error {
	var names []string
	for i := range known {
		if known[i].Name == name {
			return nil
		}
		names = append(names, known[i].Name)
	}
	if name == "" || len(known) == 0 {
		return nil
	}
	return fmt.Errorf("%q is not in the manifests; %s", name, suggest(names, name))
}

// suggest says which of the known words is right.
func suggest(known []string, written string) string { return decode.Suggest(known, written) }
