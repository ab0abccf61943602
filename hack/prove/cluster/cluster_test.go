package cluster

import (
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/labels"
	"pgregory.net/rapid"

	"github.com/nameward/nameward/enforcer/manifests"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/settings"
)

// The text of a cluster, read as users' text is, is the World that the proofs
// go by (P1).
func TestTextIsTheWorld(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		c := Draw(t)
		if chance(t, "changed", 2) {
			c, _ = c.Change(t)
		}
		if c.shares() {
			return // what an API server may tell for a while is an error in a folder
		}
		text := c.YAML()
		if err := os.WriteFile(filepath.Join(dir, "cluster.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		snapshot, err := manifests.Load(dir)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		got := snapshot.World(Here, settings.Settings{Default: policy.Deny})
		got.LocalAddresses = append(slices.Clone(got.LocalAddresses), c.Local...)
		if diff := cmp.Diff(c.World(), got, same...); diff != "" {
			t.Fatalf("the World of the text differs (-objects +text):\n%s\n%s", diff, text)
		}
	})
}

// shares says whether two pods that live have one address.
func (c *Cluster) shares() bool {
	seen := map[netip.Addr]bool{}
	for _, p := range c.Pods {
		if p.model.Finished || p.model.HostNetwork {
			continue
		}
		for _, a := range p.model.Addresses {
			if seen[a] {
				return true
			}
			seen[a] = true
		}
	}
	return false
}

var same = []cmp.Option{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b labels.Selector) bool {
		return a == nil && b == nil || a != nil && b != nil && a.String() == b.String()
	}),
	cmp.Comparer(func(a, b labels.Set) bool { return maps.Equal(a, b) }),
	cmp.Comparer(func(a, b map[string]bool) bool { return maps.Equal(a, b) }),
	cmpopts.SortSlices(func(a, b *policy.Pod) bool { return a.Ref.UID < b.Ref.UID }),
	cmpopts.SortSlices(func(a, b *policy.Service) bool { return a.Name < b.Name }),
}
