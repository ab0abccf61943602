package pods

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// network is the node's, as of one moment. Immutable but for its owner.
type network struct {
	links map[int]*link
	names map[string]*link
	// byNsid and byMac are the far ones, each by index ascending.
	byNsid    map[int][]*link
	byMac     map[string][]*link
	addresses []address
	// ways are the devices of the routes to single addresses, defaults those
	// of default routes, in whatever table: AWS' uplinks have tables of
	// their own.
	ways     map[netip.Addr][]int
	defaults []int
	// barred are interfaces that are no pod's whatever says so, and why.
	barred map[int]string
}

// what names parts of the network that may have changed.
type what uint8

const (
	someLink what = 1 << iota
	someAddress
	someRoute
	everything = someLink | someAddress | someRoute
)

// few is how many interfaces are asked for one by one. An event itself tells
// less: the kernel sends the first one of a veth's second end before it is
// connected to the first.
const few = 50

// touched are the interfaces to ask for again: those that changed, and the
// other ends here of those that went, possibly to another namespace.
func (n *network) touched(changed news) map[int]bool {
	if len(changed.links) == 0 {
		return nil
	}
	all := maps.Clone(changed.links)
	for index, l := range n.links {
		if l.nsid == nowhere && changed.links[l.peer] {
			all[index] = false
		}
	}
	return all
}

// read gives a new network in which what has changed is as it is now.
func (k *kernel) read(last *network, changed news) (*network, error) {
	n := *last
	var err error
	switch touched := n.touched(changed); {
	case changed.what&someLink != 0 || len(touched) > few:
		n.links, err = k.links()
	case len(touched) > 0:
		n.links, err = k.some(n.links, touched)
	}
	if err != nil {
		return nil, err
	}
	n.index()
	if changed.what&someAddress != 0 {
		if n.addresses, err = k.addresses(); err != nil {
			return nil, err
		}
	}
	if changed.what&someRoute != 0 {
		n.ways, n.defaults = make(map[netip.Addr][]int), nil
		if err = k.routes(n.follow); err != nil {
			return nil, err
		}
	}
	return &n, nil
}

func (n *network) index() {
	n.names = make(map[string]*link, len(n.links))
	n.byNsid, n.byMac = make(map[int][]*link), make(map[string][]*link)
	for _, index := range slices.Sorted(maps.Keys(n.links)) {
		l := n.links[index]
		n.names[l.name] = l
		if l.far() {
			n.byNsid[l.nsid] = append(n.byNsid[l.nsid], l)
			n.byMac[l.mac] = append(n.byMac[l.mac], l)
		}
	}
}

func (n *network) follow(r route) {
	if !r.to.IsValid() {
		n.defaults = append(n.defaults, r.devices...)
		return
	}
	for _, d := range r.devices {
		if !slices.Contains(n.ways[r.to], d) {
			n.ways[r.to] = append(n.ways[r.to], d)
		}
	}
}

// bar finds the interfaces that carry the node's own traffic: a filter there
// would be the node's (P17).
func (n *network) bar(node []netip.Addr) {
	n.barred = make(map[int]string)
	for _, d := range n.defaults {
		n.barDown(d, "a default route leads over it")
	}
	for _, a := range n.addresses {
		if slices.Contains(node, a.addr) {
			n.barDown(a.index, fmt.Sprintf("it has the node's address %s", a.addr))
		}
	}
	for index, l := range n.links {
		switch {
		case l.kind == "bridge" || l.name == "lo":
			n.barred[index] = "its kind leads to no one pod"
		case l.slave == "bond" || l.slave == "team":
			n.barred[index] = "it is part of a " + l.slave
		}
	}
}

// barDown bars an interface and those that it is stacked on here.
func (n *network) barDown(index int, why string) {
	for range 8 { // VLANs on VLANs end sometime
		l := n.links[index]
		if l == nil || n.barred[index] != "" {
			return
		}
		n.barred[index] = why
		if l.nsid != nowhere || l.peer == 0 || l.kind == "veth" {
			return
		}
		index, why = l.peer, fmt.Sprintf("%s is stacked on it, and %s", l.name, why)
	}
}
