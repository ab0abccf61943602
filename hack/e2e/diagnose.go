package main

import (
	"context"
	"fmt"
	"strings"
)

// diagnose prints what helps to understand a failure. Nothing of it counts.
func (w *world) diagnose(ctx context.Context, name string, namespaces []string) {
	show := func(args ...string) {
		out, err := w.Kubectl(ctx, "", args...)
		if err != nil {
			out += err.Error()
		}
		w.note("─── %s: kubectl %s\n%s", name, strings.Join(args, " "), indent(tail(out, 60)))
	}
	show("get", "pods", "-A", "-o", "wide")
	for _, n := range namespaces {
		show("get", "networkpolicies,applicationnetworkpolicies.networking.k8s.aws,events", "-n", n)
	}
	show("get", "events", "-n", namespace, "--sort-by=.lastTimestamp")
	show("describe", "pods", "-n", namespace, "-l", "app.kubernetes.io/component=enforcer")
	show("logs", "-n", namespace, "-l", "app.kubernetes.io/component=enforcer", "--tail=40", "--prefix", "--all-containers")
	show("logs", "-n", namespace, "-l", "app.kubernetes.io/component=dns", "--tail=20", "--prefix")
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	if len(all) > lines {
		all = append([]string{fmt.Sprintf("… %d lines", len(all)-lines)}, all[len(all)-lines:]...)
	}
	return strings.Join(all, "\n")
}

func indent(text string) string { return "        " + strings.ReplaceAll(text, "\n", "\n        ") }
