package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/nameward/nameward/enforcer/chain"
	"github.com/nameward/nameward/enforcer/cniconf"
)

// cniOptions are the flags of "enforcer cni".
type cniOptions struct {
	place              cniconf.Place
	binary, mode, away string
	config             chain.Config
	watch              bool
}

func cniCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cni",
		Short: "Put nameward-cni into this node's CNI chain, or take it out",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			return usageError{errors.New("cni wants install or uninstall; see \"enforcer cni --help\"")}
		},
	}
	cmd.AddCommand(cniInstallCommand(), cniUninstallCommand())
	return cmd
}

func cniInstallCommand() *cobra.Command {
	var o cniOptions
	cmd := &cobra.Command{
		Use:   "install --conf-dir DIR --bin-dir DIR --mode required|best-effort",
		Short: "Have pods wait for their policy before they start",
		Long: `Copy the plugin nameward-cni to the node's CNI plugins, and put it behind them
in the configuration that container runtimes use: the first by name among
*.conflist, *.conf and *.json. What is there already is left alone.

With --mode required, a pod does not start without an answer of the enforcer;
with best-effort it then starts with the start posture, which the plugin itself
puts on its interface while no enforcer runs (--away). With --watch, the command
keeps the plugin installed, whatever the node's CNI writes, until it is
stopped, and leaves it installed; only "enforcer cni uninstall" removes it.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.install(cmd) },
	}
	o.register(cmd.Flags())
	f := cmd.Flags()
	f.StringVar(&o.mode, "mode", "", "what happens to a pod that the enforcer does not answer for: required (it does not start) or best-effort")
	f.StringVar(&o.config.Socket, "socket", chain.DefaultSocket, "path of the enforcer's socket on the host")
	f.DurationVar(&o.config.Timeout, "timeout", chain.DefaultTimeout, "how long a pod's start waits for its policy")
	f.StringVar(&o.away, "away", chain.AwayClosed.String(), "with --mode best-effort, what a pod may do that starts while no enforcer runs, until one does: nothing but answer its node (closed), or all (open)")
	f.StringVar(&o.config.Pins, "pin", chain.DefaultPins, "the enforcer's pin directory on the host")
	f.StringVar(&o.binary, "binary", "", "file of the plugin (default: nameward-cni beside this program)")
	f.BoolVar(&o.watch, "watch", false, "stay, and install again after every change")
	return cmd
}

func cniUninstallCommand() *cobra.Command {
	var o cniOptions
	cmd := &cobra.Command{
		Use:   "uninstall --conf-dir DIR --bin-dir DIR",
		Short: "Take nameward-cni out of the chain, and leave what was there before",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			changed, err := cniconf.Uninstall(o.place)
			return errors.Join(printChanges(cmd, "restored or removed", changed), err)
		},
	}
	o.register(cmd.Flags())
	return cmd
}

// register adds the flags of both commands. Their defaults are where a
// container has the host's directories.
func (o *cniOptions) register(f *pflag.FlagSet) {
	f.StringVar(&o.place.ConfDir, "conf-dir", "/host/etc/cni/net.d", "directory of the host's CNI configurations")
	f.StringVar(&o.place.BinDir, "bin-dir", "/host/opt/cni/bin", "directory of the host's CNI plugins")
}

func (o *cniOptions) install(cmd *cobra.Command) error {
	if err := o.complete(); err != nil {
		return usageError{err}
	}
	if o.watch {
		log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
		return cniconf.Watch(cmd.Context(), o.place, o.binary, o.config, log)
	}
	changed, err := cniconf.Install(o.place, o.binary, o.config)
	if errors.Is(err, cniconf.ErrNoConfig) {
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%v; run this again when there is one, or with --watch\n", err)
	}
	return errors.Join(printChanges(cmd, "installed", changed), err)
}

func (o *cniOptions) complete() error {
	var err error
	if o.config.Mode, err = chain.ParseMode(o.mode); err != nil {
		return fmt.Errorf("--mode: %w", err)
	}
	if o.config.Away, err = chain.ParseAway(o.away); err != nil {
		return fmt.Errorf("--away: %w", err)
	}
	if err := o.config.Validate(); err != nil {
		return fmt.Errorf("--%w", err)
	}
	if o.binary != "" {
		return nil
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the plugin beside this program: %w; name it by --binary", err)
	}
	o.binary = filepath.Join(filepath.Dir(program), chain.Plugin)
	return nil
}

func printChanges(cmd *cobra.Command, did string, paths []string) error {
	for _, path := range paths {
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", did, path); err != nil {
			return err
		}
	}
	return nil
}
