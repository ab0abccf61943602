package main

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// server is a CoreDNS that answers one zone, from its cache.
type server struct {
	// says is what the table calls it.
	says    string
	at      netip.AddrPort
	metrics string // URL
	web     *http.Client
	cmd     *exec.Cmd
	cancel  context.CancelFunc
	log     string
}

// zone is what the servers are asked about.
const zone = "bench.example"

func zoneName(i int) string { return fmt.Sprintf("n%d.%s", i, zone) }

// writeZone writes a zone of so many names, one address each, with TTLs that
// outlast the run, and the file of questions for dnsperf.
func writeZone(folder string, names int) (zoneFile, queries string, _ error) {
	var records, questions strings.Builder
	fmt.Fprintf(&records, "$ORIGIN %s.\n$TTL 3600\n@ IN SOA ns root 1 3600 3600 3600 3600\n@ IN NS ns\nns IN A 192.0.2.1\n%s IN A 198.51.100.1\n",
		zone, canaryLabel)
	for i := range names {
		fmt.Fprintf(&records, "n%d IN A 198.51.%d.%d\n", i, i>>8, i&0xff)
		fmt.Fprintf(&questions, "%s A\n", zoneName(i))
	}
	zoneFile, queries = filepath.Join(folder, "zone"), filepath.Join(folder, "queries")
	for path, text := range map[string]string{zoneFile: records.String(), queries: questions.String()} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return "", "", fmt.Errorf("write zone: %w", err)
		}
	}
	return zoneFile, queries, nil
}

// directive is the plugin's block, with this line and others.
func directive(lines ...string) string {
	return "nameward {\n        " + strings.Join(lines, "\n        ") + "\n    }"
}

// corefile has metrics in a server block of their own, so that the block that
// is measured has nothing of them. Answers whose TTL is 0 are not cached.
const corefile = `.:%[1]d {
    bind 127.0.0.1
    errors
    %[2]s
    cache 3600 {
        success 9984 3600 0
    }
    file %[3]s %[4]s
}
metrics.invalid:%[5]d {
    bind 127.0.0.1
    prometheus 127.0.0.1:%[6]d
}
`

// serve starts a CoreDNS on the node's loopback and returns once it answers.
// lines is what its block has more than cache and zone. The ports that are 100
// and 200 above port are its own as well.
func (s *stage) serve(ctx context.Context, folder, says string, port uint16, zoneFile, lines string) (_ *server, err error) {
	v := &server{says: says, at: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port),
		metrics: fmt.Sprintf("http://127.0.0.1:%d/metrics", port+200), web: metricsClient(s.node),
		log: filepath.Join(folder, fmt.Sprintf("coredns-%d.log", port))}
	path := filepath.Join(folder, fmt.Sprintf("Corefile-%d", port))
	text := fmt.Sprintf(corefile, port, lines, zoneFile, zone, port+100, port+200)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return nil, fmt.Errorf("write Corefile: %w", err)
	}
	log, err := os.Create(v.log)
	if err != nil {
		return nil, fmt.Errorf("create log: %w", err)
	}
	defer log.Close()
	ctx, v.cancel = context.WithCancel(ctx)
	v.cmd = command(ctx, s.binaries.CoreDNS, "-conf", path)
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
	a, err := newAsker(s.node, "udp", v.at)
	if err != nil {
		return err
	}
	defer a.conn.Close()
	return a.await(ctx, zoneName(0))
}

// usage is what the process has taken so far.
func (v *server) usage() (usage, error) { return usageOf(v.cmd.Process.Pid) }

// metric sums up a metric of the process over all its labels.
func (v *server) metric(ctx context.Context, name string) (float64, error) {
	return readMetric(ctx, v.web, v.metrics, name)
}

// awaitMetric returns once the metric is at least that much.
func (v *server) awaitMetric(ctx context.Context, name string, atLeast float64) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	return poll(ctx, func() error {
		got, err := v.metric(ctx, name)
		if err == nil && got < atLeast {
			err = fmt.Errorf("%s of CoreDNS is %.0f, want %.0f", name, got, atLeast)
		}
		return err
	})
}

// stop ends the program.
func (v *server) stop() {
	v.cancel()
	_ = v.cmd.Wait() // says how it was ended, which is our doing
}

func stopAll(servers []*server) {
	for _, v := range servers {
		v.stop()
	}
}
