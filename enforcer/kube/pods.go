package kube

import (
	"cmp"
	"iter"
	"log/slog"
	"maps"
	"net/netip"
	"slices"

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
	// local are the places of this node's pods.
	local map[int32]bool

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
		places: map[string]map[string]int32{}, local: map[int32]bool{},
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
	p := it.(*pod)
	if p.Finished {
		// A slice may name one that had finished when it was first heard of.
		behind := s.departed.leave(p)
		return s.drop(p.key()) || behind
	}
	at, known := s.find(p.key())
	if !known {
		s.departed.arrive(p)
		s.enter(p)
		return true
	}
	old := s.all[at]
	behind := s.departed.replace(old, p)
	if old.same(p) {
		old.id = p.id
		if old.claim == p.claim {
			return behind
		}
		old.claim = p.claim
		return s.judgeAll(at) || behind
	}
	s.leave(at)
	s.take(at, p)
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

func (s *pods) enter(p *pod) {
	at := int32(len(s.all))
	s.all, s.given = append(s.all, nil), append(s.given, nil)
	s.register(p.key(), at)
	s.take(at, p)
	s.judgeAll(at)
}

// gather closes the gaps.
func (s *pods) gather() {
	before := s.all
	s.all, s.given, s.empty = nil, nil, 0
	clear(s.local)
	clear(s.owner)
	clear(s.contested)
	clear(s.cropped)
	for _, p := range before {
		if p != nil {
			s.enter(p)
		}
	}
}

// take puts a pod into a place that nobody has.
func (s *pods) take(at int32, p *pod) {
	s.all[at], s.given[at] = p, &p.Pod
	s.listStale = true
	if p.Node == s.node {
		s.local[at], s.localsStale = true, true
	}
	if !p.hasAddress() {
		return
	}
	for _, a := range p.Addresses {
		switch other, taken := s.owner[a.As16()]; {
		case !taken:
			s.owner[a.As16()] = at
		case s.contested[a] == nil:
			s.contested[a] = []int32{other, at}
		default:
			s.contested[a] = append(s.contested[a], at)
		}
	}
}

// leave takes the pod of a place out of everything but the place.
func (s *pods) leave(at int32) {
	p := s.all[at]
	s.listStale = true
	if s.local[at] {
		delete(s.local, at)
		s.localsStale = true
	}
	delete(s.cropped, at)
	if !p.hasAddress() {
		return
	}
	for _, a := range p.Addresses {
		rivals := slices.DeleteFunc(s.contested[a], func(other int32) bool { return other == at })
		switch len(rivals) {
		case 0:
			delete(s.owner, a.As16())
			continue
		case 1:
			delete(s.contested, a)
		default:
			s.contested[a] = rivals
		}
		s.owner[a.As16()] = rivals[0]
		s.judge(a, rivals)
	}
}

// judgeAll settles who has the addresses of a pod, and says whether that
// differs from before.
func (s *pods) judgeAll(at int32) bool {
	changed := false
	for _, a := range s.all[at].Addresses {
		if rivals := s.contested[a]; rivals != nil {
			changed = s.judge(a, rivals) || changed
		}
	}
	return changed
}

// judge gives an address to the newest of those that name it (P16): the others
// are about to go, and what they left behind is not the new pod's.
func (s *pods) judge(a netip.Addr, rivals []int32) (changed bool) {
	before := s.owner[a.As16()]
	now := slices.MaxFunc(rivals, func(x, y int32) int {
		p, q := s.all[x], s.all[y]
		return cmp.Or(cmp.Compare(p.claim, q.claim), compareKeys(p.key(), q.key()))
	})
	s.owner[a.As16()] = now
	owner := s.all[now]
	for _, at := range rivals {
		if s.crop(at) {
			changed = true
			if p := s.all[at]; p != owner {
				s.log.Warn("two pods have one address; it is taken for that of the newer", "address", a,
					"newer", owner.key(), "older", p.key())
			}
		}
	}
	return changed || before != now
}

// crop takes the addresses from a pod that others have now, and says whether
// that changes anything.
func (s *pods) crop(at int32) bool {
	p := s.all[at]
	own := make([]netip.Addr, 0, len(p.Addresses))
	for _, a := range p.Addresses {
		if s.owner[a.As16()] == at {
			own = append(own, a)
		}
	}
	before, had := s.cropped[at]
	switch {
	case len(own) == len(p.Addresses):
		if !had {
			return false
		}
		delete(s.cropped, at)
		s.given[at] = &p.Pod
	case had && slices.Equal(before.Addresses, own):
		return false
	default:
		less := p.Pod
		less.Addresses = own
		s.cropped[at], s.given[at] = &less, &less
	}
	s.listStale, s.localsStale = true, s.localsStale || s.local[at]
	return true
}

// snapshot gives all pods and those of this node, the same slices while nothing
// is different.
func (s *pods) snapshot() (all, local []*policy.Pod) {
	if s.listStale {
		s.listStale = false
		s.list = make([]*policy.Pod, 0, len(s.given)-s.empty)
		for rest := s.given; len(rest) > 0; {
			run := slices.Index(rest, nil)
			if run < 0 {
				run = len(rest)
			}
			s.list = append(s.list, rest[:run]...)
			rest = rest[min(run+1, len(rest)):]
		}
	}
	if s.localsStale {
		s.localsStale = false
		s.locals = nil
		for _, at := range slices.Sorted(maps.Keys(s.local)) {
			s.locals = append(s.locals, s.given[at])
		}
	}
	return s.list, s.locals
}

// has says whether a pod has the address for its own.
func (s *pods) has(a netip.Addr) bool {
	_, taken := s.owner[a.As16()]
	return taken
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

// same says whether q is p but for its claim.
func (p *pod) same(q *pod) bool {
	return p.Ref == q.Ref && p.Node == q.Node && p.HostNetwork == q.HostNetwork && p.Finished == q.Finished &&
		slices.Equal(p.Addresses, q.Addresses) && maps.Equal(p.Labels, q.Labels) && slices.Equal(p.Ports, q.Ports)
}
