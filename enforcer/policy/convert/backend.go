package convert

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/nameward/nameward/enforcer/policy"
)

// Balanced is a Service with its backends (P22), as each node sees it.
type Balanced struct {
	everywhere *policy.Service
	// nodes is nil unless what is behind the Service depends on the node; then
	// a node that is not in it sees elsewhere.
	nodes     map[string]*policy.Service
	elsewhere *policy.Service
}

// All is the Service with the backends of all nodes.
func (b *Balanced) All() *policy.Service { return b.everywhere }

// DependsOnNode says whether On may differ from All.
func (b *Balanced) DependsOnNode() bool { return b.nodes != nil }

// On is the Service as the proxy of the node of that name translates it. It
// gives the same pointer each time.
func (b *Balanced) On(node string) *policy.Service {
	if b.nodes == nil {
		return b.everywhere
	}
	if s, ok := b.nodes[node]; ok {
		return s
	}
	return b.elsewhere
}

// placed is a backend and the node it is on, "" where nobody says.
type placed struct {
	policy.Backend
	node string
}

// Resolve finds what is behind a Service: what its slices say if it has any,
// whatever they hold, else the pods it selects. Slices of other Services are
// left out. It is a pure function; backends come out sorted, each once.
//
// The faults are those of the Service: a cluster address that is the address
// of a backend as well, which is left out.
func (f *Frontend) Resolve(endpoints []*Endpoints, pods *Pods) (*Balanced, []Fault) {
	if len(f.addresses) == 0 {
		return &Balanced{everywhere: f.service(nil)}, nil
	}
	var told faults
	behind := make([][]placed, len(f.ports))
	own := slices.DeleteFunc(slices.Clone(endpoints), func(e *Endpoints) bool {
		return e.Namespace != f.Namespace || e.Service != f.Name
	})
	var selected []*policy.Pod
	if len(own) == 0 {
		selected = pods.selected(f.Namespace, f.selector)
	}
	for i := range f.ports {
		behind[i] = append(f.fromSlices(&f.ports[i], own), fromPods(&f.ports[i], selected)...)
		behind[i] = slices.DeleteFunc(behind[i], func(b placed) bool { return f.claims(b.Addr, &told) })
	}
	return f.balance(behind), told
}

// claims says whether an address is a cluster address of the Service itself:
// behind it there would be no end. An external address may be a backend's as
// well: externalIPs often are those of a node, and hostNetwork pods have them.
func (f *Frontend) claims(addr netip.Addr, told *faults) bool {
	if !slices.Contains(f.addresses[:f.cluster], addr) {
		return false
	}
	fault := Fault{"spec.clusterIP", fmt.Sprintf("%s is the address of something behind the Service as well; give the Service an address of its own", addr)}
	if !slices.Contains(*told, fault) {
		*told = append(*told, fault)
	}
	return true
}

func (f *Frontend) fromSlices(p *frontendPort, all []*Endpoints) []placed {
	var out []placed
	for _, e := range all {
		for _, port := range e.ports {
			if port.name != p.name || port.protocol != p.protocol {
				continue
			}
			// No number means "not restricted"; kube-proxy disregards such a
			// port, others keep what the Service says.
			number := cmp.Or(port.number, p.target)
			for _, b := range e.backends {
				if b.chosen || f.unready {
					out = append(out, placed{policy.Backend{Addr: b.addr, Port: number}, b.node})
				}
			}
		}
	}
	return out
}

// fromPods does what the EndpointSlice controller would, but for readiness,
// which a pod of a World does not have: each may be chosen.
func fromPods(p *frontendPort, selected []*policy.Pod) []placed {
	var out []placed
	add := func(pod *policy.Pod, number uint16) {
		for _, addr := range pod.Addresses {
			out = append(out, placed{policy.Backend{Addr: addr, Port: number}, pod.Node})
		}
	}
	for _, pod := range selected {
		if p.targetName == "" {
			add(pod, p.target)
			continue
		}
		for _, port := range pod.Ports {
			if port.Name == p.targetName && port.Protocol == p.protocol {
				add(pod, port.Number)
			}
		}
	}
	return out
}

// balance gives each node its view.
func (f *Frontend) balance(behind [][]placed) *Balanced {
	all := make([][]policy.Backend, len(behind))
	for i := range behind {
		all[i] = make([]policy.Backend, len(behind[i]))
		for j, b := range behind[i] {
			all[i][j] = b.Backend
		}
	}
	out := &Balanced{everywhere: f.service(all)}
	if !f.local {
		return out
	}
	byNode := map[string][][]policy.Backend{"": make([][]policy.Backend, len(behind))}
	for i := range behind {
		for _, b := range behind[i] {
			if byNode[b.node] == nil {
				byNode[b.node] = make([][]policy.Backend, len(behind))
			}
			byNode[b.node][i] = append(byNode[b.node][i], b.Backend)
		}
	}
	anywhere := byNode[""] // of these nobody says where they are
	delete(byNode, "")
	out.nodes = make(map[string]*policy.Service, len(byNode))
	for node, backends := range byNode {
		for i := range backends {
			backends[i] = append(backends[i], anywhere[i]...)
		}
		out.nodes[node] = f.service(backends)
	}
	out.elsewhere = f.service(anywhere)
	return out
}

// service makes the Service of backends, given by port, and sorts them in place.
func (f *Frontend) service(backends [][]policy.Backend) *policy.Service {
	s := &policy.Service{Namespace: f.Namespace, Name: f.Name, Addresses: f.addresses}
	for i := range backends {
		slices.SortFunc(backends[i], func(a, b policy.Backend) int {
			return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Port, b.Port))
		})
		s.Ports = append(s.Ports, policy.ServicePort{
			Protocol: f.ports[i].protocol, Port: f.ports[i].number, Backends: slices.Compact(backends[i]),
		})
	}
	return s
}
