package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// capabilities are a set of them by their bits in the kernel (linux/capability.h).
type capabilities uint64

const (
	capNetBindService capabilities = 1 << 10
	capNetAdmin       capabilities = 1 << 12
	capPerfmon        capabilities = 1 << 38
	capBPF            capabilities = 1 << 39
)

// confinement is what the kernel holds a process to (proc_pid_status(5)).
type confinement struct {
	user string
	// A process can get none but those of its bounding set.
	effective, bounding capabilities
	noNewPrivileges     bool
	seccomp             bool // its system calls are filtered
	readOnlyRoot        bool
}

// confinements are what deploy/README.md says, by container.
func confinements(v variant) map[string]confinement {
	enforcer := capBPF | capNetAdmin | capPerfmon
	dns := confinement{"65532", 0, capNetBindService, true, true, true}
	if v.asks == nodeDNS {
		dns = confinement{"0", capNetBindService, capNetBindService, true, true, true}
	}
	return map[string]confinement{
		"enforcer": {"0", enforcer, enforcer, true, true, true},
		"cni":      {"0", 0, 0, true, true, true},
		"coredns":  dns,
	}
}

// confined: each container of the release is held to what the documents say of
// it. What a chart asks for and a runtime leaves out does not count.
func confined(s *stage) error {
	pods, err := s.Pods(s.ctx, namespace, "")
	if err != nil {
		return err
	}
	for name, want := range confinements(s.variant) {
		_ = s.check("the kernel holds every container "+name+" to what is documented", func() error {
			return s.confinedTo(pods, name, want)
		})
	}
	return nil
}

func (s *stage) confinedTo(pods []corev1.Pod, container string, want confinement) error {
	seen := 0
	for _, pod := range pods {
		i := slices.IndexFunc(pod.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool { return c.Name == container })
		if i < 0 {
			continue
		}
		got, err := s.lab.confinement(s.ctx, pod.Spec.NodeName, pod.Status.ContainerStatuses[i].ContainerID)
		if err == nil && got != want {
			err = fmt.Errorf("got %+v, want %+v", got, want)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", pod.Name, err)
		}
		seen++
	}
	if seen == 0 {
		return fmt.Errorf("no pod in %s has one", namespace)
	}
	return nil
}

// confinement of a container's first process.
func (l *laboratory) confinement(ctx context.Context, node, containerID string) (confinement, error) {
	_, id, _ := strings.Cut(containerID, "://")
	list, err := l.node(ctx, node, filepath.Join(l.bin, "ctr"), "-a", filepath.Join(l.state, "nodes", node, "containerd.sock"),
		"-n", "k8s.io", "task", "ps", id)
	if err != nil {
		return confinement{}, err
	}
	_, list, _ = strings.Cut(list, "\n") // the heading
	pid, _, _ := strings.Cut(list, " ")
	proc := "/proc/" + strings.TrimSpace(pid)
	text, err := l.node(ctx, node, "cat", proc+"/status", proc+"/mountinfo")
	if err != nil {
		return confinement{}, err
	}
	return confinementOf(text)
}

// confinementOf reads /proc/PID/status, followed by /proc/PID/mountinfo.
func confinementOf(text string) (c confinement, err error) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		switch value := words[1]; words[0] {
		case "Uid:":
			c.user = value
		case "CapEff:":
			c.effective, err = readCapabilities(value, err)
		case "CapBnd:":
			c.bounding, err = readCapabilities(value, err)
		case "NoNewPrivs:":
			c.noNewPrivileges = value == "1"
		case "Seccomp:":
			c.seccomp = value == "2" // SECCOMP_MODE_FILTER
		default:
			if len(words) > 5 && words[4] == "/" { // the place; then its options
				c.readOnlyRoot = slices.Contains(strings.Split(words[5], ","), "ro")
			}
		}
	}
	if err == nil && c.user == "" {
		err = fmt.Errorf("no line Uid in %q", text)
	}
	return c, err
}

func readCapabilities(hex string, before error) (capabilities, error) {
	set, err := strconv.ParseUint(hex, 16, 64)
	if before != nil {
		err = before
	}
	return capabilities(set), err
}
