package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/nameward/nameward/enforcer/policy"
)

// end is one side of a connection, as the manifests know it.
type end struct {
	text      string
	pod       *policy.Pod
	service   *policy.Service
	name      string
	addresses []netip.Addr
}

func (c *cluster) end(p party) (end, error) {
	e := end{text: p.String()}
	var err error
	switch {
	case p.pod != object{}:
		if e.pod, err = c.pod(p.pod.namespace, p.pod.name); err != nil {
			return e, err
		}
		if e.pod.Finished {
			return e, fmt.Errorf("pod %s has finished; it neither sends nor receives", p)
		}
		e.addresses = c.addressesOf(e.pod)
		if len(e.addresses) == 0 {
			return e, fmt.Errorf("pod %s is on the host network of node %q, whose addresses are not in the manifests", p, e.pod.Node)
		}
	case p.service != object{}:
		if e.service, err = c.service(p.service.namespace, p.service.name); err != nil {
			return e, err
		}
		if e.addresses = e.service.Addresses; len(e.addresses) == 0 {
			return e, fmt.Errorf("the Service %s has no address of its own; ask about a pod behind it", p.service)
		}
	case p.name != "":
		e.name = p.name
		if e.service = c.serviceNamed(p.name); e.service != nil {
			e.addresses = e.service.Addresses
		}
	default:
		e.addresses = []netip.Addr{p.address}
		e.pod, e.service = c.podAt(p.address), c.serviceAt(p.address)
	}
	return e, nil
}

// serviceNamed finds the Service behind a name of the cluster's own zone. A
// headless one's name leads to its pods instead.
func (c *cluster) serviceNamed(name string) *policy.Service {
	labels := strings.Split(strings.TrimSuffix(name, ".cluster.local"), ".")
	if len(labels) != 3 || labels[2] != "svc" {
		return nil
	}
	s, err := c.service(labels[1], labels[0])
	if err != nil || len(s.Addresses) == 0 {
		return nil
	}
	return s
}

// ask answers a question that check has found nothing wrong with.
func (c *cluster) ask(q question) (answer, error) {
	a := answer{
		From: q.from.String(), To: q.to.party.String(), Protocol: q.to.protocol.String(),
	}
	if q.to.port.given() {
		a.Port = q.to.port.String()
	}
	from, err := c.end(q.from)
	if err != nil {
		return a, fmt.Errorf("from: %w", err)
	}
	to, err := c.end(q.to.party)
	if err != nil {
		return a, fmt.Errorf("to: %w", err)
	}
	way := way{cluster: c, from: from, to: to, protocol: q.to.protocol, directions: q.directions}
	if way.port, err = to.number(q.to); err != nil {
		return a, fmt.Errorf("to: %w", err)
	}
	if to.name != "" && to.service == nil {
		way.to.addresses = c.standIns(from)
	}
	if a.Paths, err = way.paths(); err != nil {
		return a, err
	}
	a.Assumptions = way.assumptions()
	a.Verdict = unite(a.Paths, func(p path) verdict { return p.Verdict })
	return a, nil
}

// number gives the port's number, which a pod may know by name (P10).
func (e *end) number(t target) (uint16, error) {
	if t.port.name == "" {
		return t.port.number, nil
	}
	var has []string
	for _, port := range e.pod.Ports {
		if port.Name == t.port.name && port.Protocol == uint8(t.protocol) {
			return port.Number, nil
		}
		has = append(has, fmt.Sprintf("%s/%s", port.Name, protocol(port.Protocol)))
	}
	if len(has) == 0 {
		return 0, fmt.Errorf("pod %s has no ports with a name; write a number for %q", e.text, t.port.name)
	}
	return 0, fmt.Errorf("pod %s has no %s port %q; it has %s", e.text, t.protocol, t.port.name, strings.Join(has, ", "))
}

// standIns are the addresses that a name is taken to lead to, one for each
// family that the pod can use.
func (c *cluster) standIns(from end) []netip.Addr {
	if from.pod == nil {
		return nil
	}
	var found []netip.Addr
	for _, is4 := range []bool{true, false} {
		if slices.ContainsFunc(from.addresses, func(a netip.Addr) bool { return a.Is4() == is4 }) {
			found = append(found, outside(c.view(from.pod.Node).compiled.Tables, is4))
		}
	}
	return found
}

// way is a connection with everything looked up.
type way struct {
	*cluster
	from, to   end
	protocol   protocol
	port       uint16
	directions directions
}

// receiver is the pod that a packet ends at.
type receiver struct {
	pod     *policy.Pod
	address netip.Addr
	port    uint16
}

// receivers are the pods of the manifests that a connection to the address may
// reach: that which has it, or those behind the Service (P22).
func (w *way) receivers(a netip.Addr) []receiver {
	if w.to.pod != nil {
		return []receiver{{w.to.pod, a, w.port}}
	}
	var found []receiver
	for _, b := range w.backends(a) {
		if pod := w.podAt(b.Addr); pod != nil {
			found = append(found, receiver{pod, b.Addr, b.Port})
		}
	}
	return found
}

// backends are those behind the Service at the address, as the pod's node
// knows them: some Services stay on the node.
func (w *way) backends(a netip.Addr) []policy.Backend {
	if w.to.service == nil {
		return nil
	}
	s := w.to.service
	if w.from.pod != nil {
		s = w.serviceOn(w.from.pod.Node, s)
	}
	var found []policy.Backend
	for _, p := range s.Ports {
		if p.Port == w.port && p.Protocol == uint8(w.protocol) {
			found = append(found, p.Backends...)
		}
	}
	return slices.DeleteFunc(found, func(b policy.Backend) bool { return b.Addr.Is4() != a.Is4() })
}

// paths judges every way that a packet may take.
func (w *way) paths() ([]path, error) {
	if w.from.pod == nil && w.to.pod == nil && w.to.service == nil {
		return nil, errors.New("neither side is a pod of the manifests, so no policy is concerned")
	}
	var all []path
	for _, source := range w.from.addresses {
		for _, destination := range w.to.addresses {
			if source.Is4() != destination.Is4() {
				continue
			}
			found, err := w.between(source, destination)
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s and %s have no address of the same family", w.from.text, w.to.text)
	}
	return all, nil
}

func (w *way) between(source, destination netip.Addr) ([]path, error) {
	ends := []receiver{{}}
	if found := w.receivers(destination); w.directions.ingress && len(found) > 0 {
		ends = found
	}
	var all []path
	for _, end := range ends {
		p := path{From: source.String(), To: destination.String()}
		if w.directions.egress && w.from.pod != nil {
			if err := w.add(&p, w.flow(policy.Egress, w.from.pod, destination, w.port), w.to.text); err != nil {
				return nil, err
			}
		}
		if end.pod != nil {
			if w.to.service != nil {
				p.Backend = netip.AddrPortFrom(end.address, end.port).String()
			}
			if err := w.add(&p, w.flow(policy.Ingress, end.pod, source, end.port), w.from.text); err != nil {
				return nil, err
			}
		}
		if len(p.Judgements) == 0 {
			return nil, w.nothing()
		}
		p.settle()
		all = append(all, p)
	}
	return all, nil
}

func (w *way) add(p *path, f policy.Flow, peer string) error {
	j, err := w.judge(f, peer)
	p.Judgements = append(p.Judgements, j)
	return err
}

func (w *way) flow(d policy.Direction, pod *policy.Pod, peer netip.Addr, port uint16) policy.Flow {
	f := policy.Flow{Direction: d, Pod: pod, Peer: peer, Protocol: w.protocol.to(peer), Port: port}
	if d == policy.Egress && w.to.name != "" && w.to.service == nil {
		f.Names = []string{w.to.name}
	}
	return f
}

// nothing says why there is nothing to judge.
func (w *way) nothing() error {
	if w.from.pod == nil {
		return fmt.Errorf("there is no egress to judge, since %s is no pod of the manifests", w.from.text)
	}
	return fmt.Errorf("there is no ingress to judge, since %s is no pod of the manifests", w.to.text)
}

// assumptions are what had to be made up.
func (w *way) assumptions() []string {
	var all []string
	if w.to.name != "" && w.to.service == nil {
		var texts []string
		for _, a := range w.to.addresses {
			texts = append(texts, a.String())
		}
		all = append(all, fmt.Sprintf("%s has just resolved %s, to an address that no pod, node, Service or narrower CIDR of a policy has (here %s)",
			w.from.text, w.to.name, strings.Join(texts, " and ")))
	}
	if w.to.name != "" && w.to.service != nil {
		all = append(all, fmt.Sprintf("%s is the name of Service %s/%s; its address is not learnt from DNS", w.to.name, w.to.service.Namespace, w.to.service.Name))
	}
	for _, a := range w.to.addresses {
		if w.to.service != nil && len(w.backends(a)) == 0 {
			all = append(all, fmt.Sprintf("%s has no backends for %s port %d in the manifests, and is judged as any address", a, w.protocol, w.port))
		}
	}
	for _, e := range []end{w.from, w.to} {
		if w.nameless[e.pod] {
			all = append(all, fmt.Sprintf("pod %s has no address in the manifests, and the address %s", e.text, e.addresses[0]))
		}
		if w.homeless[e.pod] && e.pod.Node == "" {
			all = append(all, fmt.Sprintf("pod %s is on no node in the manifests, and on one without settings or addresses of its own", e.text))
		}
	}
	return all
}
