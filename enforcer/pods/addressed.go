package pods

import (
	"net/netip"
	"slices"
)

// lost are the pods that are not found yet, and that have an address to be
// found by.
func (j *judge) lost() (all []*wanted) {
	for _, p := range j.pods {
		if _, found := j.found[p.UID]; !found && len(p.Addresses) > 0 {
			all = append(all, p)
		}
	}
	return all
}

// free says whether an interface may be this pod's, by an address alone.
func (j *judge) free(l *link, uid string) bool {
	if l == nil || !l.far() || j.network.barred[l.index] != "" {
		return false
	}
	o, taken := j.owners[l.index]
	return !taken || o.uid == uid
}

// devices are those that the node's routes to the pod lead over and that may
// be the pod's.
func (j *judge) devices(p *wanted) (all []*link) {
	for _, addr := range p.Addresses {
		for _, d := range j.network.ways[addr] {
			l := j.network.links[d]
			if j.free(l, p.UID) {
				if !slices.Contains(all, l) {
					all = append(all, l)
				}
				continue
			}
			if o, taken := j.owners[d]; taken {
				j.try(p.UID, "a route to %s leads over %s, which %s gives to %s", addr, l.name, o.source, j.title(o.uid))
			} else if l != nil && j.network.barred[d] != "" {
				j.try(p.UID, "a route to %s leads over %s, which is no pod's: %s", addr, l.name, j.network.barred[d])
			}
		}
	}
	return all
}

// routes takes the interface that the node's routes to a pod's addresses lead
// over, where they agree, and each interface for one pod.
func (j *judge) routes() {
	lost := j.lost()
	sole := make(map[*link][]*wanted)
	for _, p := range lost {
		switch devices := j.devices(p); {
		case len(devices) > 1:
			j.try(p.UID, "routes to its addresses lead over %s and %s", devices[0].name, devices[1].name)
		case len(devices) == 1 && !j.moved(p, devices[0]):
			sole[devices[0]] = append(sole[devices[0]], p)
		}
	}
	j.settle(lost, sole, byRoute, "a route of the node to its address")
}

// moved says whether a route is left from another pod that had the address
// before (P16): it leads where the address is not, and the address is
// elsewhere. That it is missing alone means nothing, for the pod could remove
// it.
func (j *judge) moved(p *wanted, l *link) bool {
	addrs, err := j.inside(l)
	if err != nil || overlap(addrs, p.Addresses) {
		return false
	}
	if len(j.homes([]*wanted{p})[p]) == 0 {
		return false
	}
	j.try(p.UID, "a route to its address leads over %s, behind which nothing has the address, and something else has", l.name)
	return true
}

// homes are, for each pod, the free interfaces whose other ends have an
// address of the pod.
func (j *judge) homes(pods []*wanted) map[*wanted][]*link {
	byAddr := make(map[netip.Addr][]*wanted, len(pods))
	for _, p := range pods {
		for _, addr := range p.Addresses {
			byAddr[addr] = append(byAddr[addr], p)
		}
	}
	all := make(map[*wanted][]*link)
	for _, nsid := range j.namespaces() {
		for _, l := range j.network.byNsid[nsid] {
			if !j.free(l, "") {
				continue
			}
			addrs, err := j.inside(l)
			if err != nil {
				j.blind = err
			}
			for _, addr := range addrs {
				for _, p := range byAddr[addr] {
					if !slices.Contains(all[p], l) {
						all[p] = append(all[p], l)
					}
				}
			}
		}
	}
	return all
}

// scan looks into the namespaces of interfaces that are nobody's. Whoever has
// NET_ADMIN there can pretend to have any address, so a pod is found only where
// one namespace alone has its address, and each namespace for one pod. Those
// that are found on the way no longer count: who has its own address and a
// stranger's is found by its own.
func (j *judge) scan() {
	lost := j.lost()
	if len(lost) == 0 {
		return
	}
	homes := j.homes(lost)
	for progress := true; progress; {
		progress = false
		sole := make(map[*link][]*wanted)
		for _, p := range lost {
			homes[p] = slices.DeleteFunc(homes[p], func(l *link) bool { return !j.free(l, p.UID) })
			if len(homes[p]) == 1 {
				sole[homes[p][0]] = append(sole[homes[p][0]], p)
			}
		}
		for l, pods := range sole {
			if len(pods) == 1 {
				j.take(pods[0], l, byScan, "an address in its namespace")
				progress = true
			}
		}
		lost = j.lost()
	}
	j.ambiguous(lost, homes)
}

// ambiguous says why a scan did not find the rest.
func (j *judge) ambiguous(lost []*wanted, homes map[*wanted][]*link) {
	for _, p := range lost {
		switch h := homes[p]; {
		case len(h) > 1:
			j.try(p.UID, "the namespaces behind %s and %s both have its address, and one of them must be pretending", h[0].name, h[1].name)
		case len(h) == 1:
			j.try(p.UID, "the namespace behind %s has its address, and another pod's as well", h[0].name)
		case j.blind != nil:
			j.try(p.UID, "namespaces cannot be looked into, which needs CAP_NET_ADMIN: %v", j.blind)
		}
	}
}

// settle takes each interface that one pod alone points to.
func (j *judge) settle(lost []*wanted, sole map[*link][]*wanted, m means, source string) {
	for l, pods := range sole {
		if len(pods) == 1 {
			j.take(pods[0], l, m, source)
			continue
		}
		for i, p := range pods {
			j.try(p.UID, "%s leads to %s, as for %s", source, l.name, j.title(pods[(i+1)%len(pods)].UID))
		}
	}
}

func (j *judge) take(p *wanted, l *link, m means, source string) {
	c := claim{uid: p.UID, link: l, means: m, source: source, addresses: p.Addresses}
	j.owners[l.index], j.found[p.UID] = c, c
}
