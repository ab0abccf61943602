package convert

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Fault is what is wrong with one field of an object that is no policy.
type Fault struct {
	// Field is a path inside the object, such as spec.ports[0].targetPort.
	Field string
	// Reason says what is wrong and what would be right.
	Reason string
}

// faults gathers what is wrong with one object.
type faults []Fault

func (f *faults) tell(field, reason string, args ...any) {
	*f = append(*f, Fault{field, fmt.Sprintf(reason, args...)})
}

// Frontend is a Service as it is written: what it is reached by and how to
// find what is behind it. It is immutable.
type Frontend struct {
	Namespace, Name string

	// addresses are those that the service proxy of a node translates. The
	// first ones, as many as cluster says, are cluster addresses.
	addresses []netip.Addr
	cluster   int
	ports     []frontendPort
	selector  map[string]string
	// unready says that backends count which are not ready.
	unready bool
	// local says that a node sends connections to its own backends only.
	local bool
}

// Selects says whether pods may be behind the Service where no slice is: others
// have no address, or somebody else makes their slices.
func (f *Frontend) Selects() bool { return len(f.addresses) > 0 && len(f.selector) > 0 }

// ClusterAddresses are the addresses that the cluster has given the Service, of all
// families. The slice is shared.
func (f *Frontend) ClusterAddresses() []netip.Addr { return f.addresses[:f.cluster:f.cluster] }

// frontendPort is a port of a Service. Target is the port of a pod behind it,
// unless targetName names one of the pod's container ports.
type frontendPort struct {
	name       string
	protocol   uint8
	number     uint16
	target     uint16
	targetName string
}

// Service reads a Service, which it does not change. A field with a fault is
// left out.
//
// Like kube-proxy (ShouldSkipService) it takes a Service without a cluster
// address for one that nobody translates, whatever other addresses it has:
// what is sent there goes to whoever has the address, so it must not be judged
// by the pods that the Service selects.
func Service(o *corev1.Service) (*Frontend, []Fault) {
	var told faults
	f := &Frontend{
		Namespace: o.Namespace, Name: o.Name,
		selector: o.Spec.Selector, unready: o.Spec.PublishNotReadyAddresses,
	}
	f.addresses, f.cluster = serviceAddresses(o, &told)
	f.ports = servicePorts(o.Spec.Ports, &told)
	switch o.Spec.Type {
	case "", corev1.ServiceTypeClusterIP, corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer:
	case corev1.ServiceTypeExternalName:
		f.addresses, f.cluster = nil, 0 // a CNAME, nothing that is translated
	default:
		told.tell("spec.type", "%q is not a type of Service; write ClusterIP, NodePort, LoadBalancer or ExternalName", o.Spec.Type)
	}
	if f.cluster == 0 {
		f.addresses = nil
	}
	f.local = f.localOnly(o.Spec.InternalTrafficPolicy, &told)
	return f, told
}

// localOnly leaves out of account a Local policy of a Service that has other
// addresses too: kube-proxy sends a pod that calls those to backends of any
// node, and a backend too many closes while one too few would open.
func (f *Frontend) localOnly(p *corev1.ServiceInternalTrafficPolicy, told *faults) bool {
	switch {
	case p == nil || *p == corev1.ServiceInternalTrafficPolicyCluster:
		return false
	case *p == corev1.ServiceInternalTrafficPolicyLocal:
		return len(f.addresses) == f.cluster
	}
	told.tell("spec.internalTrafficPolicy", "%q is not a traffic policy; write Cluster or Local", *p)
	return false
}

func serviceAddresses(o *corev1.Service, told *faults) (all []netip.Addr, cluster int) {
	add := func(field, text string) {
		if text == "" || text == corev1.ClusterIPNone {
			return
		}
		addr, err := Address(text)
		switch {
		case err != nil:
			told.tell(field, "%s", err)
		case !slices.Contains(all, addr):
			all = append(all, addr)
		}
	}
	add("spec.clusterIP", o.Spec.ClusterIP)
	for i, ip := range o.Spec.ClusterIPs {
		add(fmt.Sprintf("spec.clusterIPs[%d]", i), ip)
	}
	cluster = len(all)
	for i, ip := range o.Spec.ExternalIPs {
		add(fmt.Sprintf("spec.externalIPs[%d]", i), ip)
	}
	for i, ingress := range o.Status.LoadBalancer.Ingress {
		field := fmt.Sprintf("status.loadBalancer.ingress[%d]", i)
		// KEP-1860: under Proxy the packet leaves for the load balancer, and
		// no node translates it.
		switch mode := ingress.IPMode; {
		case mode == nil || *mode == corev1.LoadBalancerIPModeVIP:
			add(field+".ip", ingress.IP)
		case *mode != corev1.LoadBalancerIPModeProxy:
			told.tell(field+".ipMode", "%q is not a mode; write VIP or Proxy", *mode)
		}
	}
	return all, cluster
}

func servicePorts(all []corev1.ServicePort, told *faults) []frontendPort {
	var out []frontendPort
	for i, p := range all {
		field := fmt.Sprintf("spec.ports[%d]", i)
		port, where, err := servicePort(p)
		if err != nil {
			told.tell(field+where, "%s", err)
			continue
		}
		if p.Name == "" && len(all) > 1 {
			told.tell(field+".name", "one port of several needs a name, by which its backends are found")
		}
		for _, other := range out {
			if other.protocol == port.protocol && other.number == port.number {
				told.tell(field+".port", "port %d of this protocol is there twice; keep one of them", port.number)
			}
		}
		out = append(out, port)
	}
	return out
}

func servicePort(p corev1.ServicePort) (port frontendPort, field string, err error) {
	protocol, err := Protocol(p.Protocol)
	if err != nil {
		return port, ".protocol", err
	}
	number, err := portNumber(p.Port)
	if err != nil {
		return port, ".port", err
	}
	port = frontendPort{name: p.Name, protocol: protocol, number: number, target: number}
	switch {
	case p.TargetPort == intstr.FromInt32(0) || p.TargetPort == intstr.FromString(""):
	case p.TargetPort.Type == intstr.Int:
		port.target, err = portNumber(p.TargetPort.IntVal)
	default:
		port.targetName = p.TargetPort.StrVal
		if faults := validation.IsValidPortName(port.targetName); len(faults) > 0 {
			err = fmt.Errorf("%q is not a port name: %s; write the name of a container port, or a number without quotes", port.targetName, faults[0])
		}
	}
	return port, ".targetPort", err
}

func portNumber(n int32) (uint16, error) {
	if n < 1 || n > lastPort {
		return 0, noSuchPort(n)
	}
	return uint16(n), nil
}
