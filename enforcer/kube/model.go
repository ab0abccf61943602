package kube

import (
	"iter"
	"log/slog"
	"maps"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/nameward/nameward/enforcer/cluster"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
)

// shelf keeps the objects of one kind.
type shelf interface {
	// strip makes an item of an object of the API. Only the goroutine of the
	// kind's feed calls it.
	strip(runtime.Object) (item, error)
	// put and drop say whether anything differs that matters. Like keys they
	// are called under the model's lock.
	put(item) bool
	drop(key) bool
	keys() iter.Seq[key]
}

// model is all that is kept. Feeds write it, Run makes snapshots of it.
type model struct {
	// changed signals that a snapshot would be another one; capacity 1.
	changed chan struct{}

	mu            sync.Mutex // guards all below
	pods          *pods
	namespaces    *namespaces
	nodes         *nodes
	services      *services
	backends      *backends
	policies      []*policies
	configuration *configuration
	// dns names the Services of the cluster's DNS.
	dns []key
}

func newModel(node string, log *slog.Logger) *model {
	services := newServices(log)
	pods := newPods(node, newDeparted(services.stale), log)
	return &model{
		changed: make(chan struct{}, 1),
		pods:    pods, namespaces: newNamespaces(), nodes: newNodes(),
		services: services, backends: newBackends(services, pods), policies: newPolicies(),
		configuration: &configuration{},
	}
}

// put takes in one object.
func (m *model) put(s shelf, it item) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.note(s, it.key(), s.put(it))
}

// drop takes out one object.
func (m *model) drop(s shelf, k key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.note(s, k, s.drop(k))
}

// replace takes in all objects of a kind: what is not among them is gone.
func (m *model) replace(s shelf, all []item) {
	m.mu.Lock()
	defer m.mu.Unlock()
	there := make(map[key]struct{}, len(all))
	for _, it := range all {
		there[it.key()] = struct{}{}
		m.note(s, it.key(), s.put(it))
	}
	var gone []key
	for k := range s.keys() {
		if _, is := there[k]; !is {
			gone = append(gone, k)
		}
	}
	for _, k := range gone {
		m.note(s, k, s.drop(k))
	}
}

// note passes on what a change of one kind means for another.
func (m *model) note(s shelf, k key, changed bool) {
	if !changed {
		return
	}
	if s == shelf(m.pods) {
		m.services.touched(k.namespace)
	}
	m.signal()
}

func (m *model) signal() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// snapshot works out what has changed; the rest is that of the one before. It
// costs by what has changed, and the copies of lists.
func (m *model) snapshot(node string, before *Snapshot) *Snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := &Snapshot{node: node}
	out.Pods, out.local = m.pods.snapshot()
	m.nodes.snapshot()
	out.Nodes, out.Defaults = m.nodes.list, m.nodes.defaults
	m.services.snapshot(m.pods, m.pods.departed)
	clear(m.pods.departed.early)
	out.Services, out.Balanced = m.services.list, m.services.local
	out.dns = m.services.clusterAddresses(m.dns)
	out.Overrides = m.configuration.good
	respaced := m.respace()
	out.Namespaces = m.namespaces.list
	m.rule(out, before, respaced)
	out.others = append(append(out.others, m.namespaces.problems...), m.nodes.problems...)
	return out
}

// early says whether slices name pods that have not come yet.
func (m *model) early() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.pods.departed.early) > 0
}

// respace works out the namespaces, and says whether they are others.
func (m *model) respace() bool {
	stale := m.namespaces.stale || m.pods.moved
	for _, p := range m.policies {
		stale = stale || p.stale
	}
	if !stale {
		return false
	}
	m.pods.moved = false
	implied := []iter.Seq[string]{maps.Keys(m.pods.places)}
	for _, p := range m.policies {
		implied = append(implied, p.namespaces)
	}
	return m.namespaces.snapshot(implied...)
}

// rule puts the policies into a snapshot.
func (m *model) rule(out, before *Snapshot, respaced bool) {
	stale := before == nil || respaced
	for _, p := range m.policies {
		stale = stale || p.stale
	}
	if !stale {
		out.Policies, out.Trial, out.Objects = before.Policies, before.Trial, before.Objects
		return
	}
	modes := map[string]convert.Mode{}
	mode := func(namespace string) convert.Mode { return m.namespaces.mode(namespace) }
	var audited []*policy.Policy
	for _, p := range m.policies {
		for _, r := range p.snapshot(mode) {
			out.Policies = append(out.Policies, r.tried.Enforced)
			audited = append(audited, r.tried.Audited)
			out.Objects = append(out.Objects, r.object)
		}
	}
	maps.Copy(modes, m.namespaces.modes)
	out.Trial = cluster.NewTrial(audited, modes, m.namespaces.list)
}

// news gives what nobody has been told of the settings.
func (m *model) news() (of Invalid, fresh bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	of, fresh = m.configuration.news, m.configuration.fresh
	m.configuration.fresh = false
	return of, fresh
}
