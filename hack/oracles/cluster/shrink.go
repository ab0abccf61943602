package cluster

import (
	"reflect"

	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"
)

// Shrink drops one thing after another from the cluster - policies, rules,
// peers, ports, pods, labels - as long as what remains still shows what it is
// about. It does not change c.
func Shrink(c *Cluster, shows func(*Cluster) bool) *Cluster {
	for {
		smaller := smallerThan(c, shows)
		if smaller == nil {
			return c
		}
		c = smaller
	}
}

// smallerThan gives c without one thing, or nil where nothing can go.
func smallerThan(c *Cluster, shows func(*Cluster) bool) *Cluster {
	// A step is found by its number, since every try needs a fresh copy.
	for n := 0; ; n++ {
		candidate := c.Copy()
		step := dropper{left: n}
		if !step.drop(reflect.ValueOf(candidate).Elem()) {
			return nil
		}
		if odd(candidate) <= odd(c) && shows(candidate) {
			return candidate
		}
	}
}

// dropper drops the thing with the number left, counted as it walks.
type dropper struct{ left int }

// take says whether this is the one.
func (d *dropper) take() bool {
	d.left--
	return d.left < 0
}

func (d *dropper) drop(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() && d.drop(v.Field(i)) {
				return true
			}
		}
	case reflect.Pointer:
		return !v.IsNil() && d.drop(v.Elem())
	case reflect.Slice:
		return d.dropItem(v)
	case reflect.Map:
		for _, key := range v.MapKeys() {
			if d.take() {
				v.SetMapIndex(key, reflect.Value{})
				return true
			}
		}
	}
	return false
}

// dropItem tries the items before what is inside of them.
func (d *dropper) dropItem(v reflect.Value) bool {
	for i := range v.Len() {
		if d.take() {
			v.Set(reflect.AppendSlice(v.Slice3(0, i, i), v.Slice(i+1, v.Len())))
			return true
		}
	}
	for i := range v.Len() {
		if d.drop(v.Index(i)) {
			return true
		}
	}
	return false
}

// odd counts what an API server refuses, of which a step must not make more:
// it would lead to another disagreement than the one found.
func odd(c *Cluster) int {
	count := 0
	wrong := func(is bool) {
		if is {
			count++
		}
	}
	for i := range c.ClusterPolicies {
		s := &c.ClusterPolicies[i].Spec
		for _, r := range s.Ingress {
			wrong(len(r.From) == 0)
			for _, p := range r.From {
				wrong(p.Namespaces == nil && p.Pods == nil)
			}
		}
		for _, r := range s.Egress {
			wrong(len(r.To) == 0)
			for _, p := range r.To {
				wrong(kindless(p))
			}
		}
	}
	for i := range c.Pods {
		wrong(len(c.Pods[i].Status.PodIPs) == 0)
	}
	return count + oddExpressions(c)
}

func kindless(p policyv1alpha2.ClusterNetworkPolicyEgressPeer) bool {
	return p.Namespaces == nil && p.Pods == nil && p.Nodes == nil && len(p.Networks)+len(p.DomainNames) == 0
}

// oddExpressions counts In and NotIn without a value, wherever they are.
func oddExpressions(c *Cluster) int {
	count := 0
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Struct:
			if operator := v.FieldByName("Operator"); operator.IsValid() && operator.Kind() == reflect.String {
				set := operator.String() == "In" || operator.String() == "NotIn"
				if values := v.FieldByName("Values"); set && values.IsValid() && values.Len() == 0 {
					count++
				}
			}
			for i := range v.NumField() {
				walk(v.Field(i))
			}
		case reflect.Pointer:
			if !v.IsNil() {
				walk(v.Elem())
			}
		case reflect.Slice:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		}
	}
	walk(reflect.ValueOf(c))
	return count
}
