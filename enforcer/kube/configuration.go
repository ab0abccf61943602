package kube

import (
	"fmt"
	"iter"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/nameward/nameward/enforcer/settings"
)

// configMap is what is kept of the ConfigMap of settings.
type configMap struct {
	stripped
	name      key
	uid       string
	overrides settings.Overrides
	faults    []settings.Fault
}

func (c *configMap) key() key                     { return c.name }
func (c *configMap) GetObjectMeta() metav1.Object { return c.name.meta() }

// Invalid says what is wrong with the ConfigMap of settings.
type Invalid struct {
	// UID is the ConfigMap's, "" where it is gone.
	UID string
	// Faults are none where all is well again.
	Faults []settings.Fault
}

// configuration is the settings that hold: of a ConfigMap that is invalid none
// are taken, and the last good ones stay.
type configuration struct {
	last *configMap
	good settings.Overrides
	// news is what nobody has been told of, where fresh says so.
	news  Invalid
	fresh bool
}

func (c *configuration) keys() iter.Seq[key] {
	return func(yield func(key) bool) {
		if c.last != nil {
			yield(c.last.name)
		}
	}
}

func (c *configuration) strip(o runtime.Object) (item, error) {
	from, ok := o.(*corev1.ConfigMap)
	if !ok {
		return nil, fmt.Errorf("want a ConfigMap, got %T", o)
	}
	read := &configMap{name: key{from.Namespace, from.Name}, uid: string(from.UID)}
	read.overrides, read.faults = settings.Parse(from.Data, from.BinaryData)
	return read, nil
}

func (c *configuration) put(it item) bool {
	fresh := it.(*configMap)
	before := c.last
	if before != nil && reflect.DeepEqual(before, fresh) {
		return false
	}
	c.last = fresh
	if len(fresh.faults) > 0 {
		c.news, c.fresh = Invalid{fresh.uid, fresh.faults}, true
		return true
	}
	c.good = fresh.overrides
	if before != nil && len(before.faults) > 0 {
		c.news, c.fresh = Invalid{UID: fresh.uid}, true
	}
	return true
}

// drop leaves it to the flags again.
func (c *configuration) drop(key) bool {
	if c.last == nil {
		return false
	}
	c.fresh = len(c.last.faults) > 0
	c.last, c.good, c.news = nil, settings.Overrides{}, Invalid{}
	return true
}
