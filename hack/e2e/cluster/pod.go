package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Pod is a test pod. The zero value of what is not Namespace and Name is a pod
// that sleeps, on any node.
type Pod struct {
	Namespace, Name string
	Labels          map[string]string
	Node            string
	// HTTP and UDP are ports that it serves, 0 for none: any request's answer
	// on the one, an echo on the other.
	HTTP, UDP int32
	// Ports are names for ports.
	Ports map[string]int32
	// Script is run by bash instead.
	Script string
	// Once is for pods that end, and are not started again.
	Once        bool
	HostNetwork bool
	// Ready is the readiness probe's path on port HTTP.
	Ready string
	// Linger is for how many seconds a pod that is to end goes on serving, for
	// those who have not heard of it.
	Linger int64
}

func (p Pod) String() string { return p.Namespace + "/" + p.Name }

// Spec is the pod that kubectl applies.
func (c *Cluster) Spec(p Pod) *corev1.Pod {
	labels := map[string]string{"pod": p.Name}
	maps.Copy(labels, p.Labels)
	seconds := int64(1)
	container := corev1.Container{Name: "c", Image: c.Agnhost, Args: []string{"pause"}}
	switch {
	case p.Script != "":
		container.Command, container.Args = []string{"/bin/bash", "-c", p.Script}, nil
	case p.HTTP != 0 || p.UDP != 0:
		container.Args = []string{"netexec", fmt.Sprintf("--http-port=%d", p.HTTP), fmt.Sprintf("--udp-port=%d", cmpOr(p.UDP, -1))}
	}
	for name, number := range p.Ports {
		container.Ports = append(container.Ports, corev1.ContainerPort{Name: name, ContainerPort: number})
	}
	if p.Ready != "" {
		container.ReadinessProbe = probe(p.Ready, p.HTTP)
	}
	if p.Linger > 0 {
		seconds = p.Linger + 5
		container.Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: p.Linger}}}
	}
	spec := corev1.PodSpec{
		NodeName: p.Node, Containers: []corev1.Container{container}, TerminationGracePeriodSeconds: &seconds,
		HostNetwork: p.HostNetwork, EnableServiceLinks: new(bool), AutomountServiceAccountToken: new(bool),
		Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
	}
	if p.Once {
		spec.RestartPolicy = corev1.RestartPolicyNever
	}
	if c.DNS != "" && !p.HostNetwork {
		spec.DNSPolicy = corev1.DNSNone
		spec.DNSConfig = &corev1.PodDNSConfig{Nameservers: []string{c.DNS}}
	}
	return &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name, Labels: labels},
		Spec:       spec,
	}
}

func cmpOr(a, b int32) int32 {
	if a != 0 {
		return a
	}
	return b
}

func probe(path string, port int32) *corev1.Probe {
	get := &corev1.HTTPGetAction{Path: path}
	get.Port.IntVal = port
	return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: get}, PeriodSeconds: 1, FailureThreshold: 1, TimeoutSeconds: 1}
}

// Template is the pod as a Deployment or a Job has it.
func (c *Cluster) Template(p Pod) json.RawMessage {
	pod := c.Spec(p)
	data, err := json.Marshal(corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: pod.Labels}, Spec: pod.Spec})
	if err != nil {
		panic(err) // a type of Kubernetes' own
	}
	return data
}

// Start applies pods and waits until all are Ready, or have ended if they do.
func (c *Cluster) Start(ctx context.Context, pods ...Pod) error {
	manifests := make([]any, len(pods))
	for i, p := range pods {
		manifests[i] = c.Spec(p)
	}
	if err := c.Apply(ctx, manifests...); err != nil {
		return err
	}
	for _, p := range pods {
		if err := c.AwaitReady(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// AwaitReady waits for the pod to be Ready, or for one that ends to have ended.
func (c *Cluster) AwaitReady(ctx context.Context, p Pod) error {
	return Await(ctx, 60*time.Second, "pod "+p.String(), func(ctx context.Context) error {
		pod, err := c.Pod(ctx, p)
		if err != nil {
			return err
		}
		if p.Once && (pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed) {
			return nil
		}
		if !p.Once && IsReady(pod) {
			return nil
		}
		return fmt.Errorf("phase %s, not Ready%s", pod.Status.Phase, waiting(pod))
	})
}

// waiting says what kubelet gives as the reason.
func waiting(pod *corev1.Pod) string {
	for _, s := range pod.Status.ContainerStatuses {
		if s.State.Waiting != nil {
			return fmt.Sprintf(": %s %s", s.State.Waiting.Reason, s.State.Waiting.Message)
		}
	}
	return ""
}

// IsReady says whether the pod's condition Ready is true.
func IsReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil
		}
	}
	return false
}

// Pod asks the API server for it.
func (c *Cluster) Pod(ctx context.Context, p Pod) (*corev1.Pod, error) {
	var pod corev1.Pod
	err := c.Get(ctx, "/api/v1/namespaces/"+p.Namespace+"/pods/"+p.Name, &pod)
	return &pod, err
}

// Pods are those of a namespace that a label selector matches.
func (c *Cluster) Pods(ctx context.Context, namespace, selector string) ([]corev1.Pod, error) {
	var list corev1.PodList
	err := c.Get(ctx, "/api/v1/namespaces/"+namespace+"/pods?labelSelector="+strings.ReplaceAll(selector, "=", "%3D"), &list)
	return list.Items, err
}

// Address is the pod's first address, or the first of the IPv6 ones.
func (c *Cluster) Address(ctx context.Context, p Pod, v6 bool) (string, error) {
	pod, err := c.Pod(ctx, p)
	if err != nil {
		return "", err
	}
	for _, ip := range pod.Status.PodIPs {
		if strings.Contains(ip.IP, ":") == v6 {
			return ip.IP, nil
		}
	}
	return "", fmt.Errorf("pod %s has the addresses %v, none of the family", p, pod.Status.PodIPs)
}
