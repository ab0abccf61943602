package pods

import (
	"cmp"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// fresh is how long what was read in a namespace counts, for a scan.
const fresh = time.Second

// search is a Run in progress, owned by its goroutine.
type search struct {
	*memory
	config  *Config
	kernel  *kernel
	events  *events
	results *results
	network *network
	// stale is what of the network is to be read again, freed whose index
	// means another interface from now on.
	stale what
	freed []int
	// glimpses are what was read behind interfaces, by index.
	glimpses map[int]glimpse
	// retry is how long to wait for pods that have an address and are not
	// found, full when everything was looked at last.
	retry time.Duration
	full  time.Time
}

// glimpse is what was seen in the namespace behind an interface.
type glimpse struct {
	link  *link
	addrs []netip.Addr
	err   error
	at    time.Time
}

func beginSearch(config *Config, m *memory) (*search, error) {
	s := &search{
		memory: m, config: config, network: &network{}, stale: everything,
		glimpses: make(map[int]glimpse), retry: firstRetry, full: config.Now(),
	}
	var err error
	dir := ""
	if config.Cache != "" {
		dir = filepath.Join(config.Cache, "results")
	}
	if s.results, err = followResults(dir, config.PodSide, config.Log); err != nil {
		return nil, err
	}
	if s.kernel, err = openKernel(); err != nil {
		s.results.close()
		return nil, err
	}
	// Subscribed before the first look, so that nothing falls in between.
	if s.events, err = openEvents(); err != nil {
		s.results.close()
		s.kernel.close()
		return nil, err
	}
	s.results.refresh()
	return s, nil
}

func (s *search) close() {
	s.results.close()
	s.kernel.close()
	s.events.close()
}

// renew takes the pods that are wanted from now on.
func (s *search) renew(pods []Pod) {
	since := make(map[string]time.Time, len(s.pods))
	for _, p := range s.pods {
		since[p.UID] = p.since
	}
	now := s.config.Now()
	s.pods = make([]*wanted, 0, len(pods))
	for _, p := range pods {
		w := &wanted{Pod: p, since: now}
		if at, known := since[p.UID]; known {
			w.since = at
		}
		s.pods = append(s.pods, w)
	}
	slices.SortFunc(s.pods, func(a, b *wanted) int { return cmp.Compare(a.UID, b.UID) })
	s.retry = firstRetry
	for index, g := range s.glimpses { // an address is there before it is told
		g.at = time.Time{}
		s.glimpses[index] = g
	}
}

// drain takes what events of the cache came along, so that one look does.
func (s *search) drain() {
	for range 1000 {
		select {
		case event := <-s.results.watcher.Events:
			s.results.happened(event)
		default:
			return
		}
	}
}

// look decides where the pods are now.
func (s *search) look() (*Located, error) {
	changed, gone := s.events.take()
	s.stale |= changed
	s.freed = append(s.freed, gone...)
	network, err := s.kernel.read(s.network, s.stale)
	if err != nil {
		return nil, err
	}
	network.bar(s.node)
	s.network, s.stale = network, 0
	s.forgetGone()
	located, held := locate(&evidence{
		config: s.config, now: s.config.Now(), pods: s.pods, facts: s.facts(), network: network, held: s.held,
		nsid: s.nsid, inside: s.inside, glimpsed: s.glimpsed,
		unreadable: s.results.unreadable(),
	})
	s.held = held
	return located, nil
}

// forgetGone ends what is known of interfaces that went.
func (s *search) forgetGone() {
	for _, index := range s.freed {
		delete(s.held, index)
		delete(s.glimpses, index)
	}
	for id, t := range s.told.all {
		a := t.Attachment
		l := s.network.links[a.IfIndex]
		if a.IfIndex == 0 {
			l = s.network.names[a.Interface]
		}
		if l == nil || slices.Contains(s.freed, l.index) {
			s.told.forget(id)
		}
	}
	for index, g := range s.glimpses {
		if l := s.network.links[index]; l == nil || !l.same(g.link) {
			delete(s.glimpses, index)
		}
	}
	s.freed = nil
}

func (s *search) facts() []*fact {
	all := s.told.facts()
	for _, name := range slices.Sorted(maps.Keys(s.results.files)) {
		if f := s.results.files[name].fact; f != nil {
			all = append(all, f)
		}
	}
	return all
}

// nsid is the number of a namespace by its path, as told or below one of the
// directories: a container may see it elsewhere than the runtime does.
func (s *search) nsid(path string) int {
	if id := s.kernel.nsid(path); id != nowhere {
		return id
	}
	for _, dir := range s.config.Netns {
		other := filepath.Join(dir, filepath.Base(path))
		if other == path {
			continue
		}
		if _, err := os.Stat(other); err == nil {
			if id := s.kernel.nsid(other); id != nowhere {
				return id
			}
		}
	}
	return nowhere
}

func (s *search) inside(l *link) ([]netip.Addr, error) {
	g, known := s.glimpses[l.index]
	if now := s.config.Now(); !known || now.Sub(g.at) >= fresh {
		addrs, err := s.kernel.inside(l)
		g = glimpse{link: l, addrs: addrs, err: err, at: now}
		s.glimpses[l.index] = g
	}
	return g.addrs, g.err
}

func (s *search) glimpsed(l *link) []netip.Addr { return s.glimpses[l.index].addrs }

// expire is the timer's: now and then everything is looked at, and behind
// every interface for addresses that are another's.
func (s *search) expire(safety time.Duration) {
	s.retry = min(2*s.retry, safety)
	now := s.config.Now()
	if now.Sub(s.full) < safety {
		return
	}
	s.full, s.stale = now, everything
	s.results.refresh()
	for _, l := range s.network.links {
		if l.far() && s.network.barred[l.index] == "" {
			_, _ = s.inside(l) // a scan tells of errors where they matter
		}
	}
}

// next is how long a look is good for if nothing happens.
func (s *search) next(now *Located, err error, safety time.Duration) time.Duration {
	wait := max(safety-s.config.Now().Sub(s.full), time.Millisecond)
	if err != nil {
		return min(wait, time.Second)
	}
	for _, p := range s.pods {
		if _, found := now.Interfaces[p.UID]; found {
			continue
		}
		if len(p.Addresses) > 0 {
			wait = min(wait, s.retry)
		} else if age := s.config.Now().Sub(p.since); age < grace {
			wait = min(wait, grace-age)
		}
	}
	return wait
}
