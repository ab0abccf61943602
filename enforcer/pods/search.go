package pods

import (
	"cmp"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
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
	// stale is what of the network is to be read again.
	stale news
	// glimpses are what was read behind interfaces, by index.
	glimpses map[int]glimpse
	// places are namespaces by the paths they were found at.
	places map[string]place
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

// place is a mounted namespace, and its number here.
type place struct {
	device, inode uint64
	nsid          int
}

func beginSearch(config *Config, m *memory) (*search, error) {
	s := &search{
		memory: m, config: config, network: &network{}, stale: news{what: everything},
		glimpses: make(map[int]glimpse), places: make(map[string]place), retry: firstRetry, full: config.Now(),
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
	s.stale.add(s.events.take())
	network, err := s.kernel.read(s.network, s.stale)
	if err != nil {
		return nil, err
	}
	network.bar(s.node)
	s.network = network
	s.forgetGone()
	s.stale = news{}
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
	for index, gone := range s.stale.links {
		if gone {
			delete(s.held, index)
			delete(s.glimpses, index)
		}
	}
	for id, t := range s.told.all {
		a := t.Attachment
		l := s.network.links[a.IfIndex]
		if a.IfIndex == 0 {
			l = s.network.names[a.Interface]
		}
		if l == nil || s.stale.links[l.index] {
			s.told.forget(id)
		}
	}
	for index, g := range s.glimpses {
		if l := s.network.links[index]; l == nil || !l.same(g.link) {
			delete(s.glimpses, index)
		}
	}
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
	if id := s.place(path); id != nowhere {
		return id
	}
	for _, dir := range s.config.Netns {
		if other := filepath.Join(dir, filepath.Base(path)); other != path {
			if id := s.place(other); id != nowhere {
				return id
			}
		}
	}
	return nowhere
}

// place asks for the number of the namespace that is mounted at a path, once
// for each that is: what is mounted lives, and keeps its number.
func (s *search) place(path string) int {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		delete(s.places, path)
		return nowhere
	}
	if p, known := s.places[path]; known && p.device == stat.Dev && p.inode == stat.Ino {
		return p.nsid
	}
	delete(s.places, path)
	id := s.kernel.nsid(path)
	if id != nowhere {
		s.places[path] = place{stat.Dev, stat.Ino, id}
	}
	return id
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
	s.full = now
	s.stale.add(news{what: everything})
	clear(s.places)
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
