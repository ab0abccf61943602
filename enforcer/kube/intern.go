package kube

import (
	"encoding/binary"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/nameward/nameward/enforcer/policy"
)

// generation is how many values an interner holds in each of its two halves.
// Pods of one Deployment come one after the other in a list, so a few are
// enough; what is forgotten is only no longer shared.
const generation = 4096

// pool gives the value that it gave for the same key before. The half that was
// not looked at while the other filled is forgotten, so that what has gone from
// the cluster goes from memory.
type pool[T any] struct{ young, old map[string]T }

func (p *pool[T]) get(key []byte, build func() T) T {
	if v, ok := p.young[string(key)]; ok {
		return v
	}
	v, ok := p.old[string(key)]
	if !ok {
		v = build()
	}
	if p.young == nil || len(p.young) >= generation {
		p.old, p.young = p.young, make(map[string]T)
	}
	p.young[string(key)] = v
	return v
}

// interner shares what many objects have in common. One goroutine uses it.
type interner struct {
	texts pool[string]
	sets  pool[labels.Set]
	ports pool[[]policy.NamedPort]
	// key and names are scratch space.
	key   []byte
	names []string
}

func (n *interner) text(s string) string {
	n.key = append(n.key[:0], s...)
	return n.texts.get(n.key, func() string { return s })
}

// set gives a map of the same labels.
func (n *interner) set(of map[string]string) labels.Set {
	if len(of) == 0 {
		return nil
	}
	n.names = slices.AppendSeq(n.names[:0], maps.Keys(of))
	slices.Sort(n.names)
	key := n.key[:0]
	for _, name := range n.names {
		key = appendText(appendText(key, name), of[name])
	}
	own := slices.Clone(key) // text uses the scratch space too
	n.key = key
	return n.sets.get(own, func() labels.Set {
		set := make(labels.Set, len(of))
		for name, value := range of {
			set[n.text(name)] = n.text(value)
		}
		return set
	})
}

func (n *interner) namedPorts(all []policy.NamedPort) []policy.NamedPort {
	if len(all) == 0 {
		return nil
	}
	key := n.key[:0]
	for _, p := range all {
		key = append(appendText(key, p.Name), p.Protocol, byte(p.Number>>8), byte(p.Number))
	}
	n.key = key
	return n.ports.get(key, func() []policy.NamedPort { return slices.Clip(all) })
}

// appendText keeps texts apart, whatever is in them.
func appendText(key []byte, s string) []byte {
	return append(binary.AppendUvarint(key, uint64(len(s))), s...)
}
