// Package main prints which test proves which line of SEMANTICS.md, and which
// line has none. It knows the contract's form and how tests name its lines; it
// runs no test, and whether one proves what it names is for its reader to say.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run returns the exit status: 0 if nothing that -check asks for is wrong.
func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("semantics", flag.ContinueOnError)
	flags.SetOutput(stderr)
	root := flags.String("root", ".", "`folder` of the repository")
	into := flags.String("o", "", "`file` to write the table to, in place of printing it")
	check := flags.String("check", "", "`ids` that must have a test, such as P,N,D1-D10,D12,S")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	wrong, err := report(*root, *into, *check, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "semantics:", err)
		return 2
	}
	for _, w := range wrong {
		fmt.Fprintln(stderr, "semantics:", w)
	}
	if len(wrong) > 0 {
		return 1
	}
	return 0
}

// report writes the table and gives what is wrong with the lines to check.
func report(root, into, check string, stdout io.Writer) ([]string, error) {
	t, err := read(root)
	if err != nil {
		return nil, err
	}
	if into == "" {
		fmt.Fprint(stdout, t.markdown())
	} else {
		if err := os.WriteFile(into, []byte(t.markdown()), 0o644); err != nil {
			return nil, fmt.Errorf("write the table: %w", err)
		}
		fmt.Fprintln(stdout, t.summary())
	}
	if check == "" {
		return nil, nil
	}
	wanted, err := selection(check, t.contract)
	if err != nil {
		return nil, err
	}
	return t.wrong(wanted), nil
}

func read(root string) (*table, error) {
	contract, err := readContract(filepath.Join(root, "SEMANTICS.md"))
	if err != nil {
		return nil, err
	}
	claims, err := readClaims(root)
	if err != nil {
		return nil, err
	}
	return newTable(contract, claims), nil
}
