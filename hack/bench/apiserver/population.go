package apiserver

import (
	"fmt"
	"iter"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	// Nodes is how many there are, Local how many pods the node Here has, and
	// Policies how many NetworkPolicies, of the first workloads.
	Nodes, Local, Policies = 1000, 30, 500
	// Here is the node whose enforcer reads all this.
	Here = "node-0000"

	perWorkload    = 20 // pods of a Deployment, behind one Service
	perNamespace   = 10 // workloads
	serviceNetwork = "10.96.0.0/12"
)

var began = metav1.NewTime(time.Now().Add(-24 * time.Hour).Truncate(time.Second))

// Namespace is that of the nth pod.
func Namespace(pod int) string { return fmt.Sprintf("team-%03d", pod/perWorkload/perNamespace) }

// PodAddress is the nth pod's.
func PodAddress(n int) string { return fmt.Sprintf("10.%d.%d.%d", 128+n>>16, n>>8&255, n&255) }

// Ground is what does not grow with the number of pods: nodes and policies.
func Ground() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if !yield(namespaceRecord("nameward")) { // where enforcers report
			return
		}
		for n := range Nodes {
			if !yield(record(fmt.Sprintf("minions/node-%04d", n), "v1", "Node", node(n))) {
				return
			}
		}
		for n := range Policies {
			p := networkPolicy(n)
			if !yield(record("networkpolicies/"+p.Namespace+"/"+p.Name, "networking.k8s.io/v1", "NetworkPolicy", p)) {
				return
			}
		}
	}
}

// Pods are the pods from one number to another, with the namespaces, Services and
// EndpointSlices that begin with them. The first ones are on the node Here.
func Pods(from, to int) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for n := from; n < to; n++ {
			if n%(perWorkload*perNamespace) == 0 && !yield(namespaceRecord(Namespace(n))) {
				return
			}
			if n%perWorkload == 0 && !(yield(service(n)) && yield(slice(n))) {
				return
			}
			on := fmt.Sprintf("node-%04d", 1+n%(Nodes-1))
			if n < Local {
				on = Here
			}
			if !yield(podRecord(n, Namespace(n), on)) {
				return
			}
		}
	}
}

func namespaceRecord(name string) (Record, error) {
	return record("namespaces/"+name, "v1", "Namespace", &corev1.Namespace{
		ObjectMeta: named("", name, map[string]string{corev1.LabelMetadataName: name, "team": name}),
		Spec:       corev1.NamespaceSpec{Finalizers: []corev1.FinalizerName{corev1.FinalizerKubernetes}},
		Status:     corev1.NamespaceStatus{Phase: corev1.NamespaceActive},
	})
}

func podRecord(n int, namespace, on string) (Record, error) {
	p := pod(n, namespace, on)
	return record("pods/"+p.Namespace+"/"+p.Name, "v1", "Pod", p)
}

func named(namespace, name string, labels map[string]string) metav1.ObjectMeta {
	sum := uint64(14695981039346656037)
	for _, c := range []byte(namespace + "/" + name) {
		sum = (sum ^ uint64(c)) * 1099511628211
	}
	return metav1.ObjectMeta{
		Namespace: namespace, Name: name, Labels: labels, CreationTimestamp: began, Generation: 1,
		UID: types.UID(fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", uint32(sum>>32), uint16(sum>>16), sum&0xfff, sum>>12&0xfff, sum>>8&(1<<48-1))),
	}
}

func labelsOf(workload int) map[string]string {
	return map[string]string{"app.kubernetes.io/name": app(workload), "app.kubernetes.io/part-of": "shop", "pod-template-hash": "6f7d9c8b45", "tier": "backend"}
}

func app(workload int) string { return fmt.Sprintf("service-%04d", workload) }

// pod is as large as pods are in clusters: some 4 kB.
func pod(n int, namespace, on string) *corev1.Pod {
	of := n / perWorkload
	p := &corev1.Pod{ObjectMeta: named(namespace, fmt.Sprintf("%s-6f7d9c8b45-%05x", app(of), n), labelsOf(of))}
	p.GenerateName = app(of) + "-6f7d9c8b45-"
	p.Annotations = map[string]string{"prometheus.io/scrape": "true", "checksum/config": strings.Repeat("c0ffee42", 8)}
	yes := true
	p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: app(of) + "-6f7d9c8b45", UID: p.UID, Controller: &yes, BlockOwnerDeletion: &yes}}
	for _, manager := range []string{"kube-controller-manager", "kubelet"} {
		p.ManagedFields = append(p.ManagedFields, metav1.ManagedFieldsEntry{
			Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", Time: &began, FieldsType: "FieldsV1",
			FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{` + strings.Repeat(`"f:labels":{".":{},"f:app":{}},`, 20) + `"f:x":{}}}`),
		})
	}
	p.Spec = podSpec(on)
	p.Status = podStatus(PodAddress(n))
	return p
}

func podSpec(on string) corev1.PodSpec {
	quantities := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("128Mi")}
	seconds := int64(30)
	container := corev1.Container{
		Name: "app", Image: "registry.example/shop/service@sha256:" + strings.Repeat("ab", 32), ImagePullPolicy: corev1.PullIfNotPresent,
		Ports:                  []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}, {Name: "metrics", ContainerPort: 9090, Protocol: corev1.ProtocolTCP}},
		Resources:              corev1.ResourceRequirements{Requests: quantities, Limits: quantities},
		VolumeMounts:           []corev1.VolumeMount{{Name: "token", MountPath: "/var/run/secrets/kubernetes.io/serviceaccount", ReadOnly: true}},
		TerminationMessagePath: "/dev/termination-log", TerminationMessagePolicy: corev1.TerminationMessageReadFile,
		ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/ready", Port: intstr.FromInt32(8080), Scheme: "HTTP"}}, PeriodSeconds: 10},
	}
	for i := range 8 {
		container.Env = append(container.Env, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%d", i), Value: "some value of a setting"})
	}
	return corev1.PodSpec{
		NodeName: on, Containers: []corev1.Container{container}, RestartPolicy: corev1.RestartPolicyAlways, DNSPolicy: corev1.DNSClusterFirst,
		SchedulerName: "default-scheduler", ServiceAccountName: "default", TerminationGracePeriodSeconds: &seconds, SecurityContext: &corev1.PodSecurityContext{},
		Volumes: []corev1.Volume{{Name: "token", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{}}}},
		Tolerations: []corev1.Toleration{
			{Key: "node.kubernetes.io/not-ready", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute},
			{Key: "node.kubernetes.io/unreachable", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute},
		},
	}
}

func podStatus(address string) corev1.PodStatus {
	status := corev1.PodStatus{
		Phase: corev1.PodRunning, HostIP: "172.20.0.1", PodIP: address, PodIPs: []corev1.PodIP{{IP: address}}, StartTime: &began, QOSClass: corev1.PodQOSGuaranteed,
		ContainerStatuses: []corev1.ContainerStatus{{
			Name: "app", Ready: true, Image: "registry.example/shop/service", ImageID: "sha256:" + strings.Repeat("cd", 32), ContainerID: "containerd://" + strings.Repeat("ef", 32),
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: began}},
		}},
	}
	for _, condition := range []corev1.PodConditionType{corev1.PodScheduled, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady, "PodReadyToStartContainers"} {
		status.Conditions = append(status.Conditions, corev1.PodCondition{Type: condition, Status: corev1.ConditionTrue, LastTransitionTime: began})
	}
	return status
}

func node(n int) *corev1.Node {
	name := fmt.Sprintf("node-%04d", n)
	o := &corev1.Node{ObjectMeta: named("", name, map[string]string{
		corev1.LabelHostname: name, corev1.LabelArchStable: "amd64", corev1.LabelOSStable: "linux",
		corev1.LabelTopologyZone: fmt.Sprintf("zone-%c", 'a'+n%3), corev1.LabelInstanceTypeStable: "m7i.4xlarge",
	})}
	o.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("172.20.%d.%d", n>>8, n&255)}, {Type: corev1.NodeHostName, Address: name}}
	for i := range 50 {
		o.Status.Images = append(o.Status.Images, corev1.ContainerImage{Names: []string{fmt.Sprintf("registry.example/shop/image-%d@sha256:%s", i, strings.Repeat("ab", 32))}, SizeBytes: 1e8})
	}
	return o
}

func service(pod int) (Record, error) {
	n := pod / perWorkload
	o := &corev1.Service{ObjectMeta: named(Namespace(pod), app(n), labelsOf(n))}
	ip := fmt.Sprintf("10.100.%d.%d", n>>8, n&255)
	internal := corev1.ServiceInternalTrafficPolicyCluster
	single := corev1.IPFamilyPolicySingleStack
	o.Spec = corev1.ServiceSpec{
		ClusterIP: ip, ClusterIPs: []string{ip}, Type: corev1.ServiceTypeClusterIP, Selector: map[string]string{"app.kubernetes.io/name": app(n)},
		IPFamilies: []corev1.IPFamily{corev1.IPv4Protocol}, IPFamilyPolicy: &single, InternalTrafficPolicy: &internal, SessionAffinity: corev1.ServiceAffinityNone,
		Ports: []corev1.ServicePort{{Name: "http", Protocol: corev1.ProtocolTCP, Port: 80, TargetPort: intstr.FromString("http")}},
	}
	return record("services/specs/"+o.Namespace+"/"+o.Name, "v1", "Service", o)
}

func slice(pod int) (Record, error) {
	n := pod / perWorkload
	labels := labelsOf(n)
	labels[discoveryv1.LabelServiceName] = app(n)
	o := &discoveryv1.EndpointSlice{ObjectMeta: named(Namespace(pod), app(n)+"-x7k2p", labels), AddressType: discoveryv1.AddressTypeIPv4}
	name, protocol, port, yes := "http", corev1.ProtocolTCP, int32(8080), true
	o.Ports = []discoveryv1.EndpointPort{{Name: &name, Protocol: &protocol, Port: &port}}
	for i := pod; i < pod+perWorkload; i++ {
		on := fmt.Sprintf("node-%04d", 1+i%(Nodes-1))
		o.Endpoints = append(o.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{PodAddress(i)}, NodeName: &on, Conditions: discoveryv1.EndpointConditions{Ready: &yes, Serving: &yes},
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: Namespace(pod), Name: fmt.Sprintf("%s-6f7d9c8b45-%05x", app(n), i)},
		})
	}
	return record("endpointslices/"+o.Namespace+"/"+o.Name, "discovery.k8s.io/v1", "EndpointSlice", o)
}

// PolicyPath leads to the policy of the first workload, which the node Here has
// pods of.
func PolicyPath() string {
	p := networkPolicy(0)
	return "/apis/networking.k8s.io/v1/namespaces/" + p.Namespace + "/networkpolicies/" + p.Name
}

// networkPolicy is what workloads have of their own: their callers, DNS, and a
// few peers.
func networkPolicy(workload int) *networkingv1.NetworkPolicy {
	pod := workload * perWorkload
	protocol, dns := corev1.ProtocolUDP, intstr.FromInt32(53)
	peer := func(workload int) networkingv1.NetworkPolicyPeer {
		return networkingv1.NetworkPolicyPeer{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": Namespace(workload * perWorkload)}},
			PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": app(workload)}},
		}
	}
	o := &networkingv1.NetworkPolicy{ObjectMeta: named(Namespace(pod), app(workload), nil)}
	o.Spec = networkingv1.NetworkPolicySpec{
		PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": app(workload)}},
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
		Ingress:     []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{}}}}},
		Egress: []networkingv1.NetworkPolicyEgressRule{
			{To: []networkingv1.NetworkPolicyPeer{peer(workload), peer((workload + 7) % Policies), peer((workload + 31) % Policies)}},
			{To: []networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: fmt.Sprintf("203.0.%d.0/24", workload%250)}}}},
			{Ports: []networkingv1.NetworkPolicyPort{{Protocol: &protocol, Port: &dns}}},
		},
	}
	return o
}
