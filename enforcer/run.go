package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// env is what the program takes from its surroundings besides arguments.
type env struct {
	stdout, stderr io.Writer
	hostname       func() (string, error)
	// getenv reads a variable; nil where there are none.
	getenv func(string) string
}

// Exit codes. A supervisor may start the program again after exitFailure;
// after exitUsage it would only fail again.
const (
	exitClean   = 0
	exitFailure = 1
	exitUsage   = 2
)

// usageError is a mistake in the arguments or in what they point to.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// run is the program: it returns the exit code when ctx has ended or
// something has gone wrong, which it has then written to stderr.
func run(ctx context.Context, e env, args []string) int {
	root := rootCommand(e)
	root.SetArgs(args)
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitClean
	}
	fmt.Fprintf(e.stderr, "enforcer: %v\n", err)
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	return exitFailure
}

func rootCommand(e env) *cobra.Command {
	var o options
	root := &cobra.Command{
		Use:   "enforcer --manifests DIR|--kubernetes|--kubeconfig FILE [--dns unix:///path|tcp://host:port]...",
		Short: "Enforce network policies, domain names included, on this node's pods",
		Long: `Enforce network policies, domain names included, on the pods of this node.

Policies and pods are read from a folder of Kubernetes manifests, which is
watched, or from the API server of a cluster. In a folder, a pod's host-side
interface is its annotation nameward.io/interface. What pods may reach by name is learnt from CoreDNS with the plugin nameward.

When the program ends, filters stay on; see "enforcer detach".`,
		Args:          noArguments,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.config(e)
			if err != nil {
				return usageError{err}
			}
			return enforce(cmd.Context(), c)
		},
	}
	o.register(root.Flags())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(detachCommand(), removeCommand(), waitCommand(), addressCommand(), versionCommand())
	root.AddCommand(cniCommand())
	return root
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unexpected argument %q; %s takes flags only", args[0], cmd.CommandPath())}
	}
	return nil
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print version, revision and Go version",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := readBuild()
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "enforcer %s (revision %s, %s)\n", b.version, b.revision, b.goVersion)
			return err
		},
	}
}
