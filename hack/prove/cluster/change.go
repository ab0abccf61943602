package cluster

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"
)

// change is one kind of change. It alters c, which is a copy of its own, and
// says what it did, or "" where there was nothing to change.
type change func(t *rapid.T, c *Cluster) string

var changes = []change{
	addPolicy, addPolicy, removePolicy, redrawPolicy, redrawPolicy, reprioritizePolicy,
	addPod, addPod, removePod, replacePod, relabelPod, finishPod, moveAddresses, borrowAddresses,
	relabelNamespace, changeService, changeNode, changeSettings, changeLocal, relearn,
}

// Change makes one to three changes at once, as the API may tell them.
func (c *Cluster) Change(t *rapid.T) (*Cluster, []string) {
	next := *c
	next.Namespaces, next.Nodes = slices.Clone(c.Namespaces), slices.Clone(c.Nodes)
	next.Pods, next.Policies = slices.Clone(c.Pods), slices.Clone(c.Policies)
	next.Services = slices.Clone(c.Services)
	next.Lessons = slices.Clone(c.Lessons)
	var done []string
	for range count(t, "changes at once", 1, 3) {
		if what := changes[count(t, "change", 0, len(changes)-1)](t, &next); what != "" {
			done = append(done, what)
		}
	}
	next.forget()
	return &next, done
}

// Beside is the cluster where another that came of it is given up: pods that are
// made from now on are none of the other's.
func (c *Cluster) Beside(other *Cluster) *Cluster {
	beside := *c
	beside.born = other.born
	return &beside
}

// forget drops what pods learnt that are no more.
func (c *Cluster) forget() {
	c.Lessons = slices.DeleteFunc(c.Lessons, func(l Lesson) bool {
		p := c.Find(l.Pod)
		return p == nil || !p.Policed()
	})
}

func (p *Policy) String() string { return p.model.Ref.String() }

func addPolicy(t *rapid.T, c *Cluster) string {
	p := c.drawPolicy(t)
	c.Policies = append(c.Policies, p)
	return "add " + p.String()
}

func (c *Cluster) onPolicy(t *rapid.T, what string, do func(*Policy) *Policy) string {
	if len(c.Policies) == 0 {
		return ""
	}
	i := count(t, "which policy", 0, len(c.Policies)-1)
	old := c.Policies[i]
	if p := do(old); p != nil {
		c.Policies[i] = p
	} else {
		c.Policies = slices.Delete(c.Policies, i, i+1)
	}
	return what + " " + old.String()
}

func removePolicy(t *rapid.T, c *Cluster) string {
	return c.onPolicy(t, "remove", func(*Policy) *Policy { return nil })
}

func redrawPolicy(t *rapid.T, c *Cluster) string {
	return c.onPolicy(t, "rewrite", func(p *Policy) *Policy { return p.redraw(t) })
}

func reprioritizePolicy(t *rapid.T, c *Cluster) string {
	return c.onPolicy(t, "reprioritize", func(p *Policy) *Policy { return p.reprioritize(t) })
}

// addPod puts a pod into a slot that no live pod has.
func addPod(t *rapid.T, c *Cluster) string {
	for slot := range Slots {
		if !slices.ContainsFunc(c.Pods, func(p *Pod) bool { return p.Slot == slot && !p.model.Finished }) {
			p := c.drawPod(t, slot)
			c.Pods = append(c.Pods, p)
			return fmt.Sprintf("add pod %s in slot %d", p.Name(), slot)
		}
	}
	return ""
}

func (c *Cluster) onPod(t *rapid.T, what string, do func(*Pod) *Pod) string {
	if len(c.Pods) == 0 {
		return ""
	}
	i := count(t, "which pod", 0, len(c.Pods)-1)
	old := c.Pods[i]
	if p := do(old); p != nil {
		c.Pods[i] = p
	} else {
		c.Pods = slices.Delete(c.Pods, i, i+1)
	}
	return what + " pod " + old.Name()
}

func removePod(t *rapid.T, c *Cluster) string {
	return c.onPod(t, "remove", func(*Pod) *Pod { return nil })
}

// replacePod has a new pod take the addresses and the interface of an old one
// at once (P16).
func replacePod(t *rapid.T, c *Cluster) string {
	return c.onPod(t, "replace", func(p *Pod) *Pod {
		if p.model.Finished {
			return p
		}
		return c.drawPod(t, p.Slot)
	})
}

func relabelPod(t *rapid.T, c *Cluster) string {
	return c.onPod(t, "relabel", func(p *Pod) *Pod {
		o := p.Object.DeepCopy()
		o.Labels = drawLabels(t)
		return newPod(o, p.Slot)
	})
}

func finishPod(t *rapid.T, c *Cluster) string {
	return c.onPod(t, "finish", func(p *Pod) *Pod {
		o := p.Object.DeepCopy()
		o.Status.Phase = pick(t, "phase", []corev1.PodPhase{corev1.PodSucceeded, corev1.PodFailed})
		return newPod(o, p.Slot)
	})
}

// moveAddresses gives a pod more or fewer of its slot's addresses.
func moveAddresses(t *rapid.T, c *Cluster) string {
	return c.onPod(t, "readdress", func(p *Pod) *Pod {
		o := p.Object.DeepCopy()
		if o.Spec.HostNetwork {
			return p
		}
		o.Status.PodIPs = nil
		for _, a := range slotAddrs(p.Slot) {
			if !chance(t, "without this family", 3) {
				o.Status.PodIPs = append(o.Status.PodIPs, corev1.PodIP{IP: a.String()})
			}
		}
		return newPod(o, p.Slot)
	})
}

// borrowAddresses gives a pod those of another slot, whether or not a pod lives
// there: one that comes to where another was is told of before that one has
// gone, and so two have one address for a while.
func borrowAddresses(t *rapid.T, c *Cluster) string {
	return c.onPod(t, "lend addresses to", func(p *Pod) *Pod {
		o := p.Object.DeepCopy()
		if o.Spec.HostNetwork {
			return p
		}
		o.Status.PodIPs = nil
		for _, a := range slotAddrs(count(t, "whose addresses", 0, Slots-1)) {
			o.Status.PodIPs = append(o.Status.PodIPs, corev1.PodIP{IP: a.String()})
		}
		return newPod(o, p.Slot)
	})
}

func relabelNamespace(t *rapid.T, c *Cluster) string {
	name := pick(t, "which namespace", namespaces)
	n := drawNamespace(t, name)
	i := slices.IndexFunc(c.Namespaces, func(n *corev1.Namespace) bool { return n.Name == name })
	if i < 0 {
		c.Namespaces = append(c.Namespaces, n)
	} else {
		c.Namespaces[i] = n
	}
	return "relabel namespace " + name
}

func changeNode(t *rapid.T, c *Cluster) string {
	if chance(t, "this node", 2) {
		c.Nodes[0] = drawNode(t, Here, "192.168.0.1", "fd01::1")
		return "change node " + Here
	}
	c.Nodes[1] = drawNode(t, "n2", "192.168.0.2", "fd01::2")
	return "change node n2"
}

func changeSettings(t *rapid.T, c *Cluster) string {
	c.Settings = drawSettings(t)
	return "change the settings"
}

func changeLocal(t *rapid.T, c *Cluster) string {
	c.Local = nil
	if chance(t, "more local addresses", 2) {
		c.Local = addrs("169.254.20.10", "203.0.113.8")
	}
	return "change the node's own addresses"
}

func relearn(t *rapid.T, c *Cluster) string {
	c.Lessons = c.drawLessons(t)
	return "learn other addresses"
}

// changeService redraws a Service, or adds or removes it.
func changeService(t *rapid.T, c *Cluster) string {
	i := count(t, "which service", 0, mostServices-1)
	s := drawService(t, i)
	at := slices.IndexFunc(c.Services, func(o *Service) bool { return o.Object.Name == s.Object.Name })
	switch {
	case at < 0:
		c.Services = append(c.Services, s)
		return "add service " + s.Object.Name
	case chance(t, "remove", 3):
		c.Services = slices.Delete(c.Services, at, at+1)
		return "remove service " + s.Object.Name
	}
	c.Services[at] = s
	return "change service " + s.Object.Name
}
