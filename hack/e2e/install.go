package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/nameward/nameward/hack/e2e/cluster"
)

// release is nameward as helm has installed it.
type release struct {
	options
	cluster *cluster.Cluster
	lab     *laboratory
	variant variant
}

// namespace is where the README's quick start puts it.
const namespace = "nameward"

// labDNS is where the lab's kubelets send their pods.
const labDNS = "10.96.0.10"

func (r *release) helm(ctx context.Context, args ...string) (string, error) {
	command := []string{r.options.helm}
	switch {
	case r.lab != nil:
		command = append(r.lab.inside(), command...)
		command = append(command, "--kubeconfig="+r.lab.state+"/pki/admin.kubeconfig")
	default:
		command = append(command, "--kubeconfig="+r.kubeconfig)
	}
	cmd := exec.CommandContext(ctx, command[0], append(command[1:], args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("helm %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// values are what the quick start sets, and where the images come from.
func (r *release) values(more ...string) []string {
	set := []string{"enforcer.image.tag=" + r.tag, "dns.image.tag=" + r.tag}
	if r.lab != nil && !r.variant.ownDNS {
		set = append(set, "dns.service.clusterIP="+labDNS)
	}
	var args []string
	for _, v := range slices.Concat(set, r.variant.set, r.set, more) {
		args = append(args, "--set", v)
	}
	return args
}

func (r *release) install(ctx context.Context) error {
	if out, err := r.helm(ctx, "list", "-n", namespace, "-q"); err != nil {
		return err
	} else if strings.TrimSpace(out) != "" {
		if r.lab == nil {
			return errors.New("nameward is installed in this cluster already; the tests want to install it themselves")
		}
		if err := r.uninstall(ctx); err != nil {
			return err
		}
	}
	// As deploy/README.md says, word for word.
	if err := r.cluster.Apply(ctx, "apiVersion: v1\nkind: Namespace\nmetadata: {name: nameward, labels: {pod-security.kubernetes.io/enforce: privileged}}\n"); err != nil {
		return err
	}
	_, err := r.helm(ctx, append([]string{"install", "nameward", r.chart, "--namespace", namespace}, r.values()...)...)
	return err
}

// upgrade changes values and waits until all pods are of the new kind.
func (r *release) upgrade(ctx context.Context, set ...string) error {
	if _, err := r.helm(ctx, append([]string{"upgrade", "nameward", r.chart, "-n", namespace}, r.values(set...)...)...); err != nil {
		return err
	}
	return r.ready(ctx)
}

func (r *release) uninstall(ctx context.Context) error {
	_, err := r.helm(ctx, "uninstall", "nameward", "--namespace", namespace, "--timeout", "6m")
	return err
}

// ready waits until enforcers and CoreDNS are rolled out and Ready.
func (r *release) ready(ctx context.Context) error {
	return cluster.Await(ctx, 2*time.Minute, "nameward's pods", func(ctx context.Context) error {
		if err := r.onEveryNode(ctx, "nameward-enforcer"); err != nil {
			return err
		}
		var d appsv1.Deployment
		err := r.cluster.Get(ctx, "/apis/apps/v1/namespaces/"+namespace+"/deployments/nameward-dns", &d)
		if errors.Is(err, cluster.ErrNotFound) { // then there is one on each node
			return r.onEveryNode(ctx, "nameward-dns")
		}
		if err != nil {
			return err
		}
		if d.Status.ObservedGeneration != d.Generation || d.Status.ReadyReplicas != *d.Spec.Replicas || d.Status.Replicas != *d.Spec.Replicas {
			return fmt.Errorf("%d of %d CoreDNS are Ready", d.Status.ReadyReplicas, *d.Spec.Replicas)
		}
		return nil
	})
}

// onEveryNode says what a DaemonSet's rollout still lacks.
func (r *release) onEveryNode(ctx context.Context, name string) error {
	var ds appsv1.DaemonSet
	if err := r.cluster.Get(ctx, "/apis/apps/v1/namespaces/"+namespace+"/daemonsets/"+name, &ds); err != nil {
		return err
	}
	s := ds.Status
	if s.ObservedGeneration != ds.Generation || s.DesiredNumberScheduled == 0 || s.UpdatedNumberScheduled != s.DesiredNumberScheduled || s.NumberReady != s.DesiredNumberScheduled {
		return fmt.Errorf("of %s %d of %d are Ready, %d of this version", name, s.NumberReady, s.DesiredNumberScheduled, s.UpdatedNumberScheduled)
	}
	return nil
}

// enforcers are the pods that run now, by node.
func (r *release) enforcers(ctx context.Context) (map[string]corev1.Pod, error) {
	pods, err := r.cluster.Pods(ctx, namespace, "app.kubernetes.io/component=enforcer")
	byNode := make(map[string]corev1.Pod)
	for _, pod := range pods {
		if pod.DeletionTimestamp == nil {
			byNode[pod.Spec.NodeName] = pod
		}
	}
	return byNode, err
}

// metrics are those of the node's enforcer, as Prometheus would read them.
func (r *release) metrics(ctx context.Context, node string) (string, error) {
	pods, err := r.enforcers(ctx)
	if err != nil {
		return "", err
	}
	pod, ok := pods[node]
	if !ok {
		return "", fmt.Errorf("node %s has no enforcer", node)
	}
	var text string
	err = r.cluster.Get(ctx, "/api/v1/namespaces/"+namespace+"/pods/"+pod.Name+":9099/proxy/metrics", &text)
	return text, err
}

// settings changes keys of the ConfigMap; an empty value takes one out.
func (r *release) settings(ctx context.Context, changes map[string]string) error {
	patch := `{"data":{`
	comma := ""
	for key, value := range changes {
		text := "null"
		if value != "" {
			text = fmt.Sprintf("%q", value)
		}
		patch += fmt.Sprintf("%s%q:%s", comma, key, text)
		comma = ","
	}
	_, err := r.cluster.Kubectl(ctx, "", "patch", "configmap", "nameward", "-n", namespace, "--type=merge", "-p", patch+"}}")
	return err
}
