package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

func policyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Test policies",
		Args:  cobra.ArbitraryArgs,
		RunE:  commandWanted,
	}
	cmd.AddCommand(policyTestCommand())
	return cmd
}

// policyTest is the flags of policy test.
type policyTest struct {
	input
	junit, format string
}

func policyTestCommand() *cobra.Command {
	var t policyTest
	cmd := &cobra.Command{
		Use:   "test -f DIR TESTFILE...",
		Short: "Check that connections are allowed and denied as test files say",
		Long: `Check that connections are allowed and denied as test files say, by the
policies of a folder. A test file is a YAML list of cases:

  - name: the frontend reaches the backend     # optional
    from: shop/frontend        # NAMESPACE/POD, an IP address, or a selector
    to: {namespace: shop, labels: "app=backend"}
    port: 8080                 # a number, a container port's name, or 53/udp
    expect: allow              # or deny

"to" may also be a domain name, taken for resolved by the pod just now, or
svc/NAMESPACE/NAME. A selector has a namespace, labels or both; every pair of
pods must be as expected. Further fields, all optional: protocol (tcp, udp,
sctp; icmp without port), direction (ingress, egress, both), and where the
verdict has to come from: tier (admin, networkpolicy, baseline, default),
policy (its name, or NAMESPACE/NAME) and rule (its name, or such as egress[0]).
` + fmt.Sprintf(exitHelp, "all as expected", "some not"),
		Example: `  kubectl nameward policy test -f manifests/ tests/*.yaml
  kubectl nameward policy test -f manifests/ tests.yaml --junit report.xml`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return t.run(cmd, args) },
	}
	t.register(cmd.Flags())
	cmd.Flags().StringVar(&t.junit, "junit", "", "file to write a report to, as JUnit XML")
	registerFormat(cmd.Flags(), &t.format)
	return cmd
}

func (t *policyTest) run(cmd *cobra.Command, files []string) error {
	if err := checkFormat(t.format); err != nil {
		return usageError{err}
	}
	if len(files) == 0 {
		return usageError{errors.New("a test file is wanted, such as tests.yaml")}
	}
	c, err := t.load(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	r, err := testAll(c, files)
	if err != nil {
		return err
	}
	if t.junit != "" {
		if err := writeJUnit(t.junit, r); err != nil {
			return fmt.Errorf("--junit: %w", err)
		}
	}
	if err := render(cmd.OutOrStdout(), t.format, r, r.text); err != nil {
		return err
	}
	if r.Failed > 0 {
		return errNo
	}
	return nil
}

// report is the outcome of all files. The names of its fields are part of what
// the program promises.
type report struct {
	Files  []fileReport `json:"files"`
	Passed int          `json:"passed"`
	Failed int          `json:"failed"`
}

type fileReport struct {
	File  string    `json:"file"`
	Cases []outcome `json:"cases"`
}

// testAll reads every file before it judges the first case, and tells of all
// that is wrong with them at once.
func testAll(c *cluster, files []string) (report, error) {
	var r report
	var faults []error
	for _, file := range files {
		cases, err := readTests(file)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		f := fileReport{File: file}
		for _, t := range cases {
			out, err := c.test(t)
			if errors.As(err, new(*disagreement)) {
				return r, err
			}
			faults = append(faults, err)
			f.Cases = append(f.Cases, out)
			if out.Ok {
				r.Passed++
			} else {
				r.Failed++
			}
		}
		r.Files = append(r.Files, f)
	}
	return r, errors.Join(faults...)
}

func (r report) text() string {
	var b strings.Builder
	for _, f := range r.Files {
		for _, c := range f.Cases {
			fmt.Fprintln(&b, c.text())
		}
	}
	fmt.Fprintf(&b, "%d passed, %d failed\n", r.Passed, r.Failed)
	return b.String()
}

// text is one line, with the first pair that is not as expected.
func (o outcome) text() string {
	text := fmt.Sprintf("%s:%d  %s", o.File, o.Line, o.Name)
	switch {
	case !o.Ok:
		return "FAIL  " + text + ": " + o.reason()
	case len(o.WouldDeny) > 0:
		return "ok    " + text + ": would be denied (audit): " + o.first(o.WouldDeny)
	}
	return "ok    " + text
}

// reason is why the case has failed.
func (o outcome) reason() string { return o.first(o.Failures) }

// first gives the first of what is said of pairs, without what the name of the
// case says already.
func (o outcome) first(said []string) string {
	text := strings.TrimPrefix(said[0], o.Name+": ")
	if len(said) == 1 {
		return text
	}
	return fmt.Sprintf("%s (and %d more of %d pairs)", text, len(said)-1, len(o.Connections))
}

func writeJUnit(file string, r report) error {
	text, err := r.junit()
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}
