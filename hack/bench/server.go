package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// server is a CoreDNS that answers one zone, from its cache.
type server struct {
	at     netip.AddrPort
	cmd    *exec.Cmd
	cancel context.CancelFunc
	log    string
	// answered and lost are how many queries dnsperf had an answer to, or none.
	answered, lost int
}

// zone is what the servers are asked about.
const zone = "bench.example"

func zoneName(i int) string { return fmt.Sprintf("n%d.%s", i, zone) }

// writeZone writes a zone of so many names, one address each, with TTLs that
// outlast the run, and the file of questions for dnsperf.
func (s *stage) writeZone(names int) (zoneFile, queries string, _ error) {
	var records, questions strings.Builder
	fmt.Fprintf(&records, "$ORIGIN %s.\n$TTL 3600\n@ IN SOA ns root 1 3600 3600 3600 3600\n@ IN NS ns\nns IN A 192.0.2.1\n", zone)
	for i := range names {
		fmt.Fprintf(&records, "n%d IN A 198.51.%d.%d\n", i, i>>8, i&0xff)
		fmt.Fprintf(&questions, "%s A\n", zoneName(i))
	}
	zoneFile, queries = filepath.Join(s.folder, "zone"), filepath.Join(s.folder, "queries")
	for path, text := range map[string]string{zoneFile: records.String(), queries: questions.String()} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return "", "", fmt.Errorf("write zone: %w", err)
		}
	}
	return zoneFile, queries, nil
}

// serve starts a CoreDNS on the node's loopback and returns once it answers.
// The directive is what it has more than cache and zone.
func (s *stage) serve(ctx context.Context, name string, port uint16, zoneFile, directive string) (_ *server, err error) {
	v := &server{at: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port), log: filepath.Join(s.folder, name+".log")}
	corefile := filepath.Join(s.folder, name+".Corefile")
	text := fmt.Sprintf(".:%d {\n    bind %s\n    errors\n    %s\n    cache 3600\n    file %s %s\n}\n",
		port, v.at.Addr(), directive, zoneFile, zone)
	if err := os.WriteFile(corefile, []byte(text), 0o644); err != nil {
		return nil, fmt.Errorf("write Corefile: %w", err)
	}
	log, err := os.Create(v.log)
	if err != nil {
		return nil, fmt.Errorf("create log: %w", err)
	}
	defer log.Close()
	ctx, v.cancel = context.WithCancel(ctx)
	v.cmd = command(ctx, s.coredns, "-conf", corefile)
	v.cmd.Stdout, v.cmd.Stderr = log, log
	if err := s.node.Start(v.cmd); err != nil {
		v.cancel()
		return nil, fmt.Errorf("start CoreDNS: %w", err)
	}
	if err := s.awaitAnswer(ctx, v); err != nil {
		v.stop()
		text, _ := os.ReadFile(v.log)
		return nil, fmt.Errorf("CoreDNS does not answer: %w\n%s", err, text)
	}
	return v, nil
}

func (s *stage) awaitAnswer(ctx context.Context, v *server) error {
	a, err := newAsker(s.node, v.at)
	if err != nil {
		return err
	}
	defer a.conn.Close()
	return a.await(ctx, zoneName(0))
}

// stop ends the program and returns the CPU time that it took.
func (v *server) stop() time.Duration {
	v.cancel()
	_ = v.cmd.Wait() // says how it was ended, which is our doing
	return v.cmd.ProcessState.SystemTime() + v.cmd.ProcessState.UserTime()
}
