package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// explaining is the flags of explain.
type explaining struct {
	input
	from, direction, protocol, format string
}

func explainCommand() *cobra.Command {
	var e explaining
	cmd := &cobra.Command{
		Use:   "explain -f DIR FROM TARGET",
		Short: "Say whether FROM may open a connection to TARGET, and which rule decides",
		Long: `Say whether FROM may open a connection to TARGET by the policies of a folder,
which tier, policy and rule decide, and why.

FROM is NAMESPACE/POD or an IP address. TARGET is one of
  NAME:PORT             a domain name, taken for resolved by the pod just now
  IP:PORT, [IPV6]:PORT
  NAMESPACE/POD:PORT    PORT may be a container port's name
  svc/NAMESPACE/NAME:PORT
and may end in /tcp, /udp, /sctp or /icmp (without a port). The default is TCP.

Between two pods of the manifests a connection needs egress of the one and
ingress of the other; both are told. Every address counts: IPv4 and IPv6 are
judged where both sides have both, and "mixed" is allowed on some ways only.
` + fmt.Sprintf(exitHelp, "allowed", "denied or mixed"),
		Example: `  kubectl nameward explain -f manifests/ app/curl-backend example.com:80
  kubectl nameward explain -f manifests/ app/web app/db:postgres
  kubectl nameward explain -f manifests/ --from 192.0.2.7 app/web:443 -o json`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return e.run(cmd, args) },
	}
	e.register(cmd.Flags())
	f := cmd.Flags()
	f.StringVar(&e.from, "from", "", "where the connection comes from, instead of the argument FROM")
	f.StringVar(&e.direction, "direction", "both", "ingress, egress or both")
	f.StringVar(&e.protocol, "protocol", "", "tcp, udp, sctp or icmp, where TARGET does not say it")
	registerFormat(f, &e.format)
	return cmd
}

func (e *explaining) run(cmd *cobra.Command, args []string) error {
	if err := checkFormat(e.format); err != nil {
		return usageError{err}
	}
	q, err := e.question(args)
	if err != nil {
		return usageError{err}
	}
	c, err := e.load(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	a, err := c.ask(q)
	switch {
	case errors.As(err, new(*disagreement)):
		return err
	case err != nil:
		return usageError{err}
	}
	if err := render(cmd.OutOrStdout(), e.format, a, a.text); err != nil {
		return err
	}
	if a.Verdict != allow {
		return errNo
	}
	return nil
}

// question reads the arguments.
func (e *explaining) question(args []string) (question, error) {
	if e.from != "" {
		args = append([]string{e.from}, args...)
	}
	switch {
	case len(args) < 2:
		return question{}, errors.New("two arguments are wanted, FROM and TARGET, such as app/web example.com:443")
	case len(args) > 2:
		return question{}, fmt.Errorf("unexpected argument %q; FROM and TARGET are all", args[2])
	}
	var q question
	var err error
	if q.from, err = parseParty(args[0]); err != nil {
		return q, fmt.Errorf("FROM: %w", err)
	}
	if q.to, err = parseTarget(args[1]); err != nil {
		return q, fmt.Errorf("TARGET: %w", err)
	}
	var flag protocol
	if e.protocol != "" {
		if flag, err = parseProtocol(e.protocol); err != nil {
			return q, fmt.Errorf("--protocol: %w", err)
		}
	}
	if q.to, err = q.to.over(flag); err != nil {
		return q, fmt.Errorf("TARGET %s: %w", args[1], err)
	}
	if q.directions, err = parseDirections(e.direction); err != nil {
		return q, fmt.Errorf("--direction: %w", err)
	}
	return q, q.check()
}
