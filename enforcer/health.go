package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/nameward/nameward/enforcer/dns"
)

// missing says what stands between the node and being ready: nothing when the
// newest policy is in the kernel and every target has a session.
func missing(n *node, sessions []dns.State) []string {
	var out []string
	if n.applied.Load() == nil {
		out = append(out, "no policy is in the kernel yet")
	}
	if err := n.trouble.Load(); err != nil {
		out = append(out, fmt.Sprintf("the newest policy is not in the kernel: %v", *err))
	}
	if err := n.ajar.Load(); err != nil {
		out = append(out, fmt.Sprintf("interfaces that have no pod yet are not shut: %v", *err))
	}
	served := make(map[dns.Target]bool)
	for _, s := range sessions {
		served[s.Target] = served[s.Target] || s.Connected
	}
	for _, s := range sessions {
		if served[s.Target] {
			continue
		}
		served[s.Target] = true // say it once
		why := "not tried yet"
		if s.Err != nil {
			why = s.Err.Error()
		}
		out = append(out, fmt.Sprintf("no session with CoreDNS at %s: %s", s.Target, why))
	}
	return out
}

// pages are what the program serves about itself.
func pages(g prometheus.Gatherer, missing func() []string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(g, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if lacking := missing(); len(lacking) > 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintln(w, "not ready:\n  "+strings.Join(lacking, "\n  "))
			return
		}
		fmt.Fprintln(w, "ready")
	})
	return mux
}

// serve serves the pages until ctx ends.
func serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve metrics: %w", err)
	case <-ctx.Done():
	}
	// Scrapes take milliseconds; who takes longer is cut off.
	soon, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := server.Shutdown(soon); err != nil {
		server.Close()
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics: %w", err)
	}
	return nil
}
