package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker in releases.
var version = ""

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print version, revision and Go version",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, revision, compiler := version, "unknown", "unknown"
			if info, ok := debug.ReadBuildInfo(); ok {
				compiler = info.GoVersion
				if text == "" {
					text = info.Main.Version
				}
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						revision = s.Value
					}
				}
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "kubectl-nameward %s (revision %s, %s)\n", text, revision, compiler)
			return err
		},
	}
}
