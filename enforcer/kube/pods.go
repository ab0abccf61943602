package kube

import (
	"iter"
	"log/slog"
	"net/netip"

	"github.com/nameward/nameward/enforcer/policy"
)

// roomy is how many places may be empty before the pods move together.
const roomy = 1024

// pods are those of the cluster that are not finished (P16). A pod keeps its
// place among them, so that the lists that are handed out differ only where
// pods do.
type pods struct {
	node   string
	log    *slog.Logger
	intern interner

	// places are by namespace and name. A namespace is in it while it has pods;
	// moved says that one got its first or lost its last.
	places map[string]map[string]int32
	moved  bool
	all    []*pod // nil is an empty place
	// given is what each is taken for. A snapshot copies it, and touches no pod
	// for that: of 100,000 each would be a miss of the processor's caches.
	given []*policy.Pod
	empty int
	// local are the places of this node's pods, uids those by the UIDs that the
	// API has of them, and mirrors by those of the static pods that they say they
	// mirror; said is what they say.
	local   map[int32]bool
	said    map[int32]*mirror
	uids    map[string]int32
	mirrors map[string][]int32

	// owner is who has an address, by its 16 bytes: convert gives no zones, and
	// IPv4 in one form. Of contested addresses several pods say
	// that they do; cropped is what those are taken for that do not.
	owner     map[[16]byte]int32
	contested map[netip.Addr][]int32
	cropped   map[int32]*policy.Pod
	// departed is told who comes and goes.
	departed *departed

	list, locals           []*policy.Pod
	listStale, localsStale bool
}

func newPods(node string, departed *departed, log *slog.Logger) *pods {
	return &pods{
		node: node, log: log, departed: departed,
		places: map[string]map[string]int32{}, local: map[int32]bool{}, said: map[int32]*mirror{},
		uids: map[string]int32{}, mirrors: map[string][]int32{},
		owner: map[[16]byte]int32{}, contested: map[netip.Addr][]int32{}, cropped: map[int32]*policy.Pod{},
	}
}

func (s *pods) keys() iter.Seq[key] {
	return func(yield func(key) bool) {
		for namespace, names := range s.places {
			for name := range names {
				if !yield(key{namespace, name}) {
					return
				}
			}
		}
	}
}

func (s *pods) find(k key) (at int32, known bool) {
	at, known = s.places[k.namespace][k.name]
	return at, known
}

func (s *pods) register(k key, at int32) {
	if s.places[k.namespace] == nil {
		s.places[k.namespace], s.moved = map[string]int32{}, true
	}
	s.places[k.namespace][k.name] = at
}

func (s *pods) forget(k key) {
	delete(s.places[k.namespace], k.name)
	if len(s.places[k.namespace]) == 0 {
		delete(s.places, k.namespace)
		s.moved = true
	}
}

// put takes in a pod and says whether anything that matters is different.
func (s *pods) put(it item) bool {
	p, m := parts(it)
	if p.Finished {
		// A slice may name one that had finished when it was first heard of.
		behind := s.departed.leave(p)
		return s.drop(p.key()) || behind
	}
	at, known := s.find(p.key())
	if !known {
		s.departed.arrive(p)
		s.enter(p, m)
		return true
	}
	old := s.all[at]
	behind := s.departed.replace(old, p)
	if s.same(at, p, m) {
		old.id = p.id
		if old.claim == p.claim {
			return behind
		}
		old.claim = p.claim
		return s.judgeAll(at) || behind
	}
	s.leave(at)
	s.take(at, p, m)
	s.judgeAll(at)
	return true
}

func (s *pods) drop(k key) bool {
	at, known := s.find(k)
	if !known {
		return false
	}
	s.departed.leave(s.all[at])
	s.leave(at)
	s.all[at], s.given[at] = nil, nil
	s.empty++
	s.forget(k)
	if s.empty > roomy && s.empty > len(s.all)/2 {
		s.gather()
	}
	return true
}

func (s *pods) enter(p *pod, m *mirror) {
	at := int32(len(s.all))
	s.all, s.given = append(s.all, nil), append(s.given, nil)
	s.register(p.key(), at)
	s.take(at, p, m)
	s.judgeAll(at)
}

// gather closes the gaps.
func (s *pods) gather() {
	before, said := s.all, s.said
	s.all, s.given, s.empty, s.said = nil, nil, 0, map[int32]*mirror{}
	clear(s.local)
	clear(s.uids)
	clear(s.mirrors)
	clear(s.owner)
	clear(s.contested)
	clear(s.cropped)
	for at, p := range before {
		if p != nil {
			s.enter(p, said[int32(at)])
		}
	}
}

// take puts a pod into a place that nobody has.
func (s *pods) take(at int32, p *pod, m *mirror) {
	s.all[at], s.given[at] = p, &p.Pod
	s.listStale = true
	if p.Node == s.node {
		s.reside(at, m)
	}
	s.settle(at, p)
}

// leave takes the pod of a place out of everything but the place.
func (s *pods) leave(at int32) {
	p := s.all[at]
	s.listStale = true
	if s.local[at] {
		s.depart(at)
	}
	delete(s.cropped, at)
	s.vacate(at, p)
}

// of gives the pods of a namespace.
func (s *pods) of(namespace string) []*policy.Pod {
	var all []*policy.Pod
	for _, p := range s.given {
		if p != nil && p.Ref.Namespace == namespace {
			all = append(all, p)
		}
	}
	return all
}
