package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/nameward/nameward/enforcer/datapath"
)

// attachments is the folder beside the socket in which the finder keeps what the
// CNI chain has told.
func attachments(socket string) string { return filepath.Join(filepath.Dir(socket), "attachments") }

func detachCommand() *cobra.Command {
	var pin, socket string
	var missingOK bool
	cmd := &cobra.Command{
		Use:   "detach --pin DIR",
		Short: "Remove all filters and pinned state; pods are then unprotected",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			if err := checkPin(pin); err != nil {
				return usageError{err}
			}
			return errors.Join(detach(pin, missingOK), forget(socket))
		},
	}
	cmd.Flags().StringVar(&pin, "pin", defaultPin, "directory on a BPF file system that holds the pinned state")
	cmd.Flags().StringVar(&socket, "socket", "", "the enforcer's --socket: it is removed too, and what was kept beside it")
	cmd.Flags().BoolVar(&missingOK, "missing-ok", false, "succeed where there is no such directory: nothing was attached here")
	return cmd
}

func detach(pin string, missingOK bool) error {
	if _, err := os.Stat(pin); missingOK && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := datapath.Detach(pin); err != nil {
		return fmt.Errorf("detach %s: %w", pin, err)
	}
	return nil
}

// forget removes what an enforcer with that socket has left beside its pins.
func forget(socket string) error {
	if socket == "" {
		return nil
	}
	if err := absolute(socket); err != nil {
		return usageError{fmt.Errorf("--socket: %w", err)}
	}
	err := os.Remove(socket)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, os.RemoveAll(attachments(socket)))
}
