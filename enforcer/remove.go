package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/nameward/nameward/enforcer/removal"
	"github.com/nameward/nameward/enforcer/report"
)

// removeCommand is for the pod that an uninstallation waits for.
func removeCommand() *cobra.Command {
	var file, kubeconfig string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "remove --daemonset FILE",
		Short: "Have the enforcers of a cluster replaced by their removal, and wait for every node",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return usageError{errors.New("--daemonset: required: a file with the DaemonSet that removes, as JSON")}
			}
			if timeout <= 0 {
				return usageError{fmt.Errorf("--timeout: %v: want a time to wait, such as 5m", timeout)}
			}
			manifest, err := os.ReadFile(file)
			if err != nil {
				return usageError{fmt.Errorf("--daemonset: %w", err)}
			}
			return remove(cmd, kubeconfig, manifest, timeout)
		},
	}
	cmd.Flags().StringVar(&file, "daemonset", "", "file with the DaemonSet that removes, as JSON (required)")
	cmd.Flags().StringVar(&kubeconfig, "kubeconfig", "", "file that leads to the API server (default: the cluster that this pod is in)")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "how long to wait for all nodes")
	return cmd
}

func remove(cmd *cobra.Command, kubeconfig string, manifest []byte, timeout time.Duration) error {
	cluster, err := removal.New(kubeconfig, slog.New(slog.NewTextHandler(cmd.OutOrStdout(), nil)))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
	defer cancel()
	err = cluster.Remove(ctx, manifest, report.Leases)
	if errors.Is(err, removal.ErrUnfinished) {
		return fmt.Errorf("%w within %v; look at the pods of the DaemonSet, and try again when their nodes are there", err, timeout)
	}
	return err
}

// waitCommand is what the pod of a removal does when it is done: a DaemonSet
// starts pods that end again.
func waitCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "wait",
		Short: "Do nothing until told to end",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			<-cmd.Context().Done()
			return nil
		},
	}
}
