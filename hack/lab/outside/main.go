// Command outside is all the world outside the lab's cluster: an authoritative
// DNS server, and a web server on every address of its network namespace that
// says who was asked and who answers. It knows names and addresses, and must
// not know policies or what anybody is expected to reach.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/nameward/nameward/hack/names/authority"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("outside: ")
	listen := flag.String("dns", "", "addresses to answer DNS at, with commas between them")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, strings.Split(*listen, ",")); err != nil {
		log.Fatal(err)
	}
}

func serve(ctx context.Context, addresses []string) error {
	for _, text := range addresses {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return fmt.Errorf("-dns: %q is not an address", text)
		}
		server, err := serveDNS(netip.AddrPortFrom(addr, 53))
		if err != nil {
			return err
		}
		defer server.Stop()
	}
	for _, port := range []int{80, 443, 8080} {
		server, err := serveHTTP(port)
		if err != nil {
			return err
		}
		defer server.Close()
	}
	<-ctx.Done()
	return nil
}

// serveDNS binds the very address, so that answers come from it.
func serveDNS(at netip.AddrPort) (*authority.Server, error) {
	packets, err := net.ListenPacket("udp", at.String())
	if err != nil {
		return nil, fmt.Errorf("serve DNS: %w", err)
	}
	streams, err := net.Listen("tcp", at.String())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("serve DNS: %w", err), packets.Close())
	}
	return authority.Serve(packets, streams, scripts()), nil
}

// serveHTTP speaks plain HTTP on every port: what is tried is who gets through.
func serveHTTP(port int) (*http.Server, error) {
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		return nil, fmt.Errorf("serve HTTP: %w", err)
	}
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s at %s for %s\n", r.Host, r.Context().Value(http.LocalAddrContextKey), r.RemoteAddr)
		}),
	}
	go func() { _ = server.Serve(listener) }()
	return server, nil
}
