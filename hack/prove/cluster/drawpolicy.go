package cluster

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
)

// kind is one of the four kinds of policy objects, of five sources: the AWS
// group's ClusterNetworkPolicy stands in two tiers, as upstream's does.
type kind uint8

const (
	kindNetwork kind = iota
	kindApplication
	kindAWS
	kindUpstream
)

func (c *Cluster) drawPolicy(t *rapid.T) *Policy {
	k := kind(count(t, "kind", 0, 3))
	meta := metav1.ObjectMeta{Name: fmt.Sprintf("%c%d", 'a'+count(t, "letter", 0, 2), c.born)}
	if k == kindNetwork || k == kindApplication {
		meta.Namespace = pick(t, "namespace", namespaces)
		// P8: the same name in both kinds is two policies.
		if name := "same"; chance(t, "same name", 6) && !c.taken(k, meta.Namespace, name) {
			meta.Name = name
		}
	}
	c.born++
	return drawObject(t, k, meta)
}

func (c *Cluster) taken(k kind, namespace, name string) bool {
	return slices.ContainsFunc(c.Policies, func(p *Policy) bool {
		return p.kind() == k && p.Object.GetNamespace() == namespace && p.Object.GetName() == name
	})
}

func (p *Policy) kind() kind {
	switch {
	case p.model.AWS:
		return kindAWS
	case p.model.Ref.Kind == "NetworkPolicy":
		return kindNetwork
	case p.model.Ref.Kind == "ApplicationNetworkPolicy":
		return kindApplication
	}
	return kindUpstream
}

// redraw makes another policy of the same kind and name.
func (p *Policy) redraw(t *rapid.T) *Policy {
	return drawObject(t, p.kind(), metav1.ObjectMeta{Name: p.Object.GetName(), Namespace: p.Object.GetNamespace()})
}

func drawObject(t *rapid.T, k kind, meta metav1.ObjectMeta) *Policy {
	var unknown []string
	drawMode(t, &meta)
	drawTerms(t, &meta)
	switch k {
	case kindNetwork:
		o := drawNetwork(t, meta, &unknown)
		return newPolicy(o, unknown)
	case kindApplication:
		o := drawApplication(t, meta, &unknown)
		return newPolicy(o, unknown)
	case kindAWS:
		o := drawAWS(t, meta, &unknown)
		return newPolicy(o, unknown)
	}
	o := drawUpstream(t, meta, &unknown)
	return newPolicy(o, unknown)
}

// drawTerms has some policies say what holds for the addresses of their names
// (N5, N10), some of them nothing that can be read. Verdicts do not depend on
// it, since lessons say what has been learnt.
func drawTerms(t *rapid.T, meta *metav1.ObjectMeta) {
	for _, a := range []struct {
		key    string
		values []string
	}{
		{convert.MinTTLAnnotation, []string{"", "", "", "", "1s", "never"}},
		{convert.GraceAnnotation, []string{"", "", "", "", "1h", "-1s"}},
		{convert.AllowPrivateAnnotation, []string{"", "", "", "", "true", "10.0.0.0/8, fd00::/8", "10.0.0.0"}},
	} {
		value := pick(t, a.key, a.values)
		if value == "" {
			continue
		}
		if meta.Annotations == nil {
			meta.Annotations = map[string]string{}
		}
		meta.Annotations[a.key] = value
	}
}

// drawUnknown has some peers and ports carry a field of a newer API (P15).
func drawUnknown(t *rapid.T, unknown *[]string, path string, args ...any) {
	if chance(t, "field of a newer API", odd) {
		*unknown = append(*unknown, fmt.Sprintf(path, args...)+".futureField")
	}
}

// reprioritize gives a cluster policy another place in the order.
func (p *Policy) reprioritize(t *rapid.T) *Policy {
	priority := int32(count(t, "new priority", 0, 2))
	if p.model.Tier == policy.TierNetworkPolicy {
		return p
	}
	return newPolicy(withPriority(p.Object, priority), p.Unknown)
}
