package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// Exit codes, which scripts rely on.
const (
	exitYes      = 0
	exitNo       = 1
	exitBadInput = 2
	exitDefect   = 3
)

const exitHelp = `
Exit codes: 0 %s, 1 %s,
2 wrong usage, manifests or files, 3 a defect of this program.`

// errNo ends the program with exitNo; what is to be said has been said.
var errNo = errors.New("no")

// usageError is a mistake on the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// run is the program without the process around it. It gives the exit code.
func run(stdout, stderr io.Writer, args []string) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteC()
	return conclude(cmd, stderr, err)
}

// conclude tells what went wrong and gives the exit code.
func conclude(cmd *cobra.Command, stderr io.Writer, err error) int {
	switch {
	case err == nil:
		return exitYes
	case errors.Is(err, errNo):
		return exitNo
	case errors.As(err, new(*disagreement)):
		fmt.Fprintf(stderr, "%s: internal error: %v\n", program, err)
		return exitDefect
	case errors.As(err, new(usageError)):
		fmt.Fprintf(stderr, "%s: %v\nSee '%s --help'.\n", program, err, cmd.CommandPath())
	default:
		fmt.Fprintf(stderr, "%v\n", err)
	}
	return exitBadInput
}

// program is how people call it.
const program = "kubectl nameward"

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "kubectl-nameward",
		Short: "Ask what nameward's policies allow",
		Long: `Ask what the network policies of a folder of manifests allow, and test them.

No cluster and no privilege is needed: the folder is read as the enforcer reads
it, and verdicts come from the tables that the enforcer gives to the kernel.`,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: program},
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          commandWanted,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(explainCommand(), policyCommand(), versionCommand())
	return root
}

// commandWanted is what a command does that has others below it only.
func commandWanted(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	var known []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			known = append(known, c.Name())
		}
	}
	return usageError{fmt.Errorf("unknown command %q; %s", args[0], suggest(known, args[0]))}
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unexpected argument %q; %s takes flags only", args[0], cmd.CommandPath())}
	}
	return nil
}
