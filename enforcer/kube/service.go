package kube

import (
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"net/netip"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
)

// service is what is kept of a Service.
type service struct {
	stripped
	*convert.Frontend
}

func (s *service) key() key                     { return key{s.Namespace, s.Name} }
func (s *service) GetObjectMeta() metav1.Object { return s.key().meta() }

// endpoints is what is kept of an EndpointSlice.
type endpoints struct {
	stripped
	*convert.Endpoints
}

func (e *endpoints) key() key                     { return key{e.Namespace, e.Name} }
func (e *endpoints) service() key                 { return key{e.Namespace, e.Service} }
func (e *endpoints) GetObjectMeta() metav1.Object { return e.key().meta() }

// services are all Services, with what is behind them (P22). Only those are
// worked out again that something has changed about.
type services struct {
	log    *slog.Logger
	all    map[key]*service
	slices map[key][]*endpoints // by Service
	behind map[key]*convert.Balanced
	// stale are to be worked out again; waiting are those for whose pods no
	// slice has come yet, by namespace.
	stale   map[key]bool
	waiting map[string]map[key]bool

	list  []*policy.Service
	local map[int]*convert.Balanced
}

func newServices(log *slog.Logger) *services {
	return &services{
		log: log, all: map[key]*service{}, slices: map[key][]*endpoints{},
		behind: map[key]*convert.Balanced{}, stale: map[key]bool{}, waiting: map[string]map[key]bool{},
	}
}

func (s *services) keys() iter.Seq[key] { return maps.Keys(s.all) }

func (s *services) strip(o runtime.Object) (item, error) {
	from, ok := o.(*corev1.Service)
	if !ok {
		return nil, fmt.Errorf("want a Service, got %T", o)
	}
	frontend, faults := convert.Service(from)
	it := &service{Frontend: frontend}
	s.tell("service", it.key(), faults)
	return it, nil
}

func (s *services) tell(what string, k key, faults []convert.Fault) {
	for _, f := range faults {
		s.log.Warn("part of a "+what+" is left out", what, k, "field", f.Field, "reason", f.Reason)
	}
}

func (s *services) put(it item) bool {
	fresh := it.(*service)
	k := fresh.key()
	if old := s.all[k]; old != nil && reflect.DeepEqual(old.Frontend, fresh.Frontend) {
		return false
	}
	s.all[k], s.stale[k] = fresh, true
	return true
}

func (s *services) drop(k key) bool {
	if s.all[k] == nil {
		return false
	}
	delete(s.all, k)
	s.stale[k] = true
	return true
}

// backends are the EndpointSlices, which change what is behind Services.
type backends struct {
	*services
	intern   interner
	owners   map[key]key // slice → Service
	departed *departed
	pods     *pods
}

func newBackends(s *services, p *pods) *backends {
	return &backends{services: s, owners: map[key]key{}, departed: p.departed, pods: p}
}

func (b *backends) keys() iter.Seq[key] { return maps.Keys(b.owners) }

func (b *backends) strip(o runtime.Object) (item, error) {
	from, ok := o.(*discoveryv1.EndpointSlice)
	if !ok {
		return nil, fmt.Errorf("want an EndpointSlice, got %T", o)
	}
	for i := range from.Endpoints {
		if name := from.Endpoints[i].NodeName; name != nil {
			shared := b.intern.text(*name)
			from.Endpoints[i].NodeName = &shared
		}
	}
	read, faults := convert.EndpointSlice(from)
	it := &endpoints{Endpoints: read}
	b.tell("endpointslice", it.key(), faults)
	return it, nil
}

func (b *backends) put(it item) bool {
	fresh := it.(*endpoints)
	k, of := fresh.key(), fresh.service()
	before, known := b.owners[k]
	if known && before == of {
		at := slices.IndexFunc(b.slices[of], func(e *endpoints) bool { return e.key() == k })
		if reflect.DeepEqual(b.slices[of][at].Endpoints, fresh.Endpoints) {
			return false
		}
	}
	b.departed.enlist(fresh, b.pods) // first, lest those be forgotten that both name
	changed := known && b.drop(k)
	b.owners[k] = of
	b.slices[of] = append(b.slices[of], fresh)
	return b.touch(of) || changed
}

func (b *backends) drop(k key) bool {
	of, known := b.owners[k]
	if !known {
		return false
	}
	delete(b.owners, k)
	b.slices[of] = slices.DeleteFunc(b.slices[of], func(e *endpoints) bool {
		if e.key() != k {
			return false
		}
		b.departed.delist(e)
		return true
	})
	if len(b.slices[of]) == 0 {
		delete(b.slices, of)
	}
	return b.touch(of)
}

// touch says whether a Service that is known is stale now. Endpoints of others
// matter to those who ask for them by name.
func (b *backends) touch(of key) bool {
	if of.name == "" {
		return false
	}
	b.stale[of] = true
	return true
}

// touched makes stale what waits for pods of namespaces that have changed.
func (s *services) touched(namespace string) {
	for k := range s.waiting[namespace] {
		s.stale[k] = true
	}
}

// snapshot works out what is stale.
func (s *services) snapshot(pods *pods, d *departed) {
	if len(s.stale) == 0 && s.list != nil {
		return
	}
	changed := s.list == nil
	for k := range s.stale {
		changed = s.resolve(k, pods, d) || changed
	}
	clear(s.stale)
	if changed {
		s.gather()
	}
}

// resolve works out one Service and says whether it is another than before.
func (s *services) resolve(k key, pods *pods, d *departed) bool {
	delete(s.waiting[k.namespace], k)
	if len(s.waiting[k.namespace]) == 0 {
		delete(s.waiting, k.namespace)
	}
	before := s.behind[k]
	of := s.all[k]
	if of == nil {
		delete(s.behind, k)
		return before != nil
	}
	var own []*convert.Endpoints
	for _, e := range s.slices[k] {
		own = append(own, e.Without(func(pod policy.EndpointID, a netip.Addr) bool { return d.deserted(pod, a, pods) }))
	}
	var index *convert.Pods
	if len(own) == 0 && of.Selects() {
		// Its slices are on their way: until then what they will say is judged.
		index = convert.IndexPods(pods.of(k.namespace))
		if s.waiting[k.namespace] == nil {
			s.waiting[k.namespace] = map[key]bool{}
		}
		s.waiting[k.namespace][k] = true
	}
	balanced, faults := of.Resolve(own, index)
	if before != nil && reflect.DeepEqual(before, balanced) {
		return false
	}
	s.tell("service", k, faults)
	s.behind[k] = balanced
	return true
}

// gather lists all Services in order.
func (s *services) gather() {
	order := slices.SortedFunc(maps.Keys(s.behind), compareKeys)
	s.list, s.local = make([]*policy.Service, 0, len(order)), map[int]*convert.Balanced{}
	for i, k := range order {
		s.list = append(s.list, s.behind[k].All())
		if s.behind[k].DependsOnNode() {
			s.local[i] = s.behind[k]
		}
	}
}

// clusterAddresses are those of the Services that are there, sorted.
func (s *services) clusterAddresses(of []key) []netip.Addr {
	var all []netip.Addr
	for _, k := range of {
		if service := s.all[k]; service != nil {
			all = append(all, service.ClusterAddresses()...)
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

// addresses are those of the endpoints of a Service, of whatever port, sorted.
func (s *services) addresses(k key) []netip.Addr {
	var all []netip.Addr
	for _, e := range s.slices[k] {
		all = append(all, e.Ready()...)
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}
