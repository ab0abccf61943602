package scene

import "fmt"

// Pod is one workload with its own network namespace. Its interface on the
// node bears the pod's name.
type Pod struct {
	Namespace, Name string
	Role            string
	Address         Dual

	net *Netspace
}

// Route names the pod in tables: pods of the article go by their name alone.
func (p *Pod) String() string { return p.Name }

// UID is what the manifests call the pod's one life.
func (p *Pod) UID() string { return p.Name + "-uid" }

// Netspace is the pod's network namespace.
func (p *Pod) Netspace() *Netspace { return p.net }

// Pods are those of the scene, by name.
type Pods struct {
	// The three of the article, in namespace app.
	Backend, CurlBackend, CurlFrontend *Pod
	// Crawler and Crawler2 have the same labels, and so the same policy: name
	// rules for two wildcards and nothing else.
	Crawler, Crawler2 *Pod
	// Client and Guest are in namespaces of their own.
	Client, Guest *Pod
}

// All returns every pod.
func (p Pods) All() []*Pod {
	return []*Pod{p.Backend, p.CurlBackend, p.CurlFrontend, p.Crawler, p.Crawler2, p.Client, p.Guest}
}

func newPods() Pods {
	pod := func(namespace, name, role string, host int) *Pod {
		return &Pod{Namespace: namespace, Name: name, Role: role,
			Address: NewDual(fmt.Sprintf("10.88.0.%d", host), fmt.Sprintf("fd00:88::%d", host))}
	}
	return Pods{
		Backend:      pod("app", "backend", "backend", 11),
		CurlBackend:  pod("app", "curl-backend", "backend", 12),
		CurlFrontend: pod("app", "curl-frontend", "frontend", 13),
		Crawler:      pod("crawl", "crawler", "crawler", 14),
		Client:       pod("team", "client", "client", 15),
		Guest:        pod("lab", "guest", "guest", 16),
		Crawler2:     pod("crawl", "crawler-2", "crawler", 17),
	}
}

// Join gives the pod a network namespace and a link to the node, the way CNI
// plugins with routed interfaces do: a host address in the pod, a link-local
// next hop, and a host route on the node, whose own address is given.
func (p *Pod) Join(node *Netspace, nodeAddress Dual, netspace string) (err error) {
	if p.net, err = NewNetspace(netspace); err != nil {
		return err
	}
	// What the node itself sends to a pod comes from the node's address.
	stub := Stub{Interface: p.Name, Address: p.Address, Gateway: gateway, Source: nodeAddress}
	if err := stub.Attach(node, p.net); err != nil {
		return fmt.Errorf("attach pod %s: %w", p.Name, err)
	}
	return nil
}
