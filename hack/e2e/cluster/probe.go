package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Outcome is what became of a connection.
type Outcome string

// What agnhost says of one, in words; Other is none of them.
const (
	Other     Outcome = "other"
	Connected Outcome = "connected"
	TimedOut  Outcome = "timed out"
	Refused   Outcome = "refused"
	NoName    Outcome = "no such name"
)

// Connect has the pod open a TCP connection to host:port, by one attempt.
func (c *Cluster) Connect(ctx context.Context, from Pod, target string, limit time.Duration) (Outcome, error) {
	return c.probe(ctx, from, target, limit, "tcp")
}

// Echo has the pod ask host:port for an echo over UDP.
func (c *Cluster) Echo(ctx context.Context, from Pod, target string, limit time.Duration) (Outcome, error) {
	return c.probe(ctx, from, target, limit, "udp")
}

func (c *Cluster) probe(ctx context.Context, from Pod, target string, limit time.Duration, protocol string) (Outcome, error) {
	out, err := c.Exec(ctx, from, "/agnhost", "connect", target, "--timeout="+limit.String(), "--protocol="+protocol)
	if err == nil {
		return Connected, nil
	}
	said := out + " " + err.Error()
	for word, outcome := range map[string]Outcome{"TIMEOUT": TimedOut, "REFUSED": Refused, "DNS: ": NoName} {
		if strings.Contains(said, word) {
			return outcome, nil
		}
	}
	// the node has no policy, but no route either
	return Other, fmt.Errorf("connect from %s to %s: %s", from, target, strings.TrimSpace(said))
}

// Exec runs a command in the pod; its standard output, also if it fails.
func (c *Cluster) Exec(ctx context.Context, in Pod, command ...string) (string, error) {
	return c.Kubectl(ctx, "", append([]string{"exec", "-n", in.Namespace, in.Name, "--"}, command...)...)
}

// Resolves says whether the pod finds the name.
func (c *Cluster) Resolves(ctx context.Context, from Pod, name string) bool {
	_, err := c.Exec(ctx, from, "timeout", "2", "nslookup", "-type=a", name)
	return err == nil
}
