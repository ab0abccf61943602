package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/nameward/nameward/hack/e2e/cluster"
)

// laboratory is the repository's own cluster, where tests also see nodes from
// inside, and can stop the API server.
type laboratory struct {
	script string
	bin    string // its programs
	state  string
	// ours says that this run has started it.
	ours bool
	// env is what it was started with; nil before it is in use.
	env []string
}

// openLab builds the lab. One that is up already is used if keep says so.
func openLab(ctx context.Context, script string, keep bool) (*laboratory, error) {
	if os.Getuid() != 0 {
		return nil, errors.New("the lab needs root; or name another cluster by -kubeconfig")
	}
	l := &laboratory{script: script, ours: true}
	if err := l.run(ctx, nil, "build"); err != nil {
		return nil, err
	}
	text, err := l.output(ctx, "env")
	if err != nil {
		return nil, err
	}
	for line := range strings.SplitSeq(text, "\n") {
		if path, ok := strings.CutPrefix(line, "export PATH="); ok {
			l.bin, _, _ = strings.Cut(path, ":")
			l.state = filepath.Dir(l.bin)
		}
	}
	if _, err := os.Stat("/run/netns/lab-cp"); err == nil {
		if !keep {
			return nil, errors.New("a lab is up already: take it down (make lab-down), or use it (-keep)")
		}
		l.ours = false
	}
	return l, nil
}

// start has the lab up as the variant wants it, dual-stack where the kernel has
// IPv6, and says whether its nodes are new to this run.
func (l *laboratory) start(ctx context.Context, v variant) (bool, error) {
	env := append([]string{}, v.lab...)
	if _, err := os.Stat("/proc/sys/net/ipv6"); err == nil {
		env = append(env, "DUAL=1")
	}
	first := l.env == nil
	if !first && (!l.ours || slices.Equal(env, l.env)) {
		return false, nil
	}
	if !first {
		if err := l.stop(ctx); err != nil {
			return false, err
		}
	}
	l.env = env
	if !l.ours {
		return true, nil
	}
	err := l.run(ctx, env, "up", "3")
	if err != nil {
		err = errors.Join(err, l.stop(ctx))
	}
	return true, err
}

func (l *laboratory) stop(ctx context.Context) error {
	l.env = nil
	return l.run(context.WithoutCancel(ctx), nil, "down")
}

// fits says whether the lab is as the variant wants it, or can be.
func (l *laboratory) fits(v variant) bool {
	text, _ := os.ReadFile(filepath.Join(l.state, "run", "options"))
	options := strings.Split(string(text), "\n")
	return l.ours || !slices.ContainsFunc(v.lab, func(word string) bool { return !slices.Contains(options, word) })
}

func (l *laboratory) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, l.script, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

func (l *laboratory) run(ctx context.Context, env []string, args ...string) error {
	cmd := l.command(ctx, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("lab %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

func (l *laboratory) output(ctx context.Context, args ...string) (string, error) {
	out, err := l.command(ctx, args...).Output()
	if err != nil {
		return "", fmt.Errorf("lab %s: %w", strings.Join(args, " "), err)
	}
	return string(out), nil
}

// kubectl is the command line that reaches the lab's API server.
func (l *laboratory) kubectl() []string {
	return append(l.inside(), filepath.Join(l.bin, "kubectl"), "--kubeconfig="+filepath.Join(l.state, "pki", "admin.kubeconfig"))
}

// inside begins a command line that runs where the API server is reachable.
func (l *laboratory) inside() []string { return []string{"nsenter", "--net=/run/netns/lab-cp"} }

// node runs a command with the network and the mounts of node n1, n2, …
func (l *laboratory) node(ctx context.Context, node string, command ...string) (string, error) {
	return l.output(ctx, append([]string{"node", strings.TrimPrefix(node, "n")}, command...)...)
}

// images builds both images and loads them into every node.
func (l *laboratory) images(ctx context.Context, tag, version string) error {
	cmd := exec.CommandContext(ctx, "go", "run", "./hack/image", "-tag", tag, "-version", version, "-mkimage", filepath.Join(l.bin, "mkimage"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build images: %w: %s", err, out)
	}
	return l.run(ctx, nil, "load", "bin/images/enforcer.tar", "bin/images/coredns.tar")
}

// crash kills a container's process outright: kubelet sees that it has died.
func (l *laboratory) crash(ctx context.Context, node, containerID string) error {
	_, id, _ := strings.Cut(containerID, "://")
	_, err := l.node(ctx, node, filepath.Join(l.bin, "ctr"), "-a", filepath.Join(l.state, "nodes", node, "containerd.sock"),
		"-n", "k8s.io", "task", "kill", "-s", strconv.Itoa(int(syscall.SIGKILL)), id)
	return err
}

// reach opens the cluster: the lab, or another where there is none.
func reach(ctx context.Context, o options, l *laboratory, v variant) (*cluster.Cluster, error) {
	if l == nil {
		return cluster.Open(ctx, []string{"kubectl", "--kubeconfig=" + o.kubeconfig})
	}
	anew, err := l.start(ctx, v)
	if err == nil && !o.noimages && anew {
		err = l.images(ctx, o.tag, o.version)
	}
	if err != nil {
		return nil, err
	}
	return cluster.Open(ctx, l.kubectl())
}
