package scene

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Outside is the world beyond the node: an authoritative DNS server and a web
// server behind every outside address.
type Outside struct {
	netspace *Netspace
	http     *http.Server
	stopDNS  func() error
}

func startOutside(n *Netspace, authority func(*Netspace) (func() error, error)) (*Outside, error) {
	o := &Outside{netspace: n}
	var err error
	if o.stopDNS, err = authority(n); err != nil {
		return nil, fmt.Errorf("serve DNS outside: %w", err)
	}
	if o.http, err = serveHTTP(n, HTTPPort); err != nil {
		return nil, errors.Join(fmt.Errorf("serve HTTP outside: %w", err), o.stop())
	}
	return o, nil
}

func (o *Outside) stop() error {
	err := o.stopDNS()
	if o.http != nil {
		err = errors.Join(err, o.http.Close())
	}
	return err
}

// serveHTTP answers every request on the port of all of the namespace's
// addresses with one line that says who answered.
func serveHTTP(n *Netspace, port int) (*http.Server, error) {
	listener, err := n.Listen("tcp", net.JoinHostPort("", strconv.Itoa(port)))
	if err != nil {
		return nil, err
	}
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s at %s\n", r.Host, r.Context().Value(http.LocalAddrContextKey))
		}),
	}
	go server.Serve(listener)
	return server, nil
}

// Zones of numbered names, one address each: the race check needs names that
// nobody has asked for before, whose addresses no other name has.
const (
	freshZone = "race.example.net"
	shortZone = "short.example.net"

	longTTL  = 60 // seconds
	shortTTL = 1  // seconds, the shortest that DNS can say
)

// Fresh is the i-th name of the race check, 0 to 32767.
func Fresh(i int) Target { return numbered(i, freshZone) }

// Short is the i-th name whose answers may be used for one second.
func Short(i int) Target { return numbered(i, shortZone) }

func numbered(i int, zone string) Target {
	name := fmt.Sprintf("n%d.%s", i, zone)
	address, _ := numberedAddress(name)
	return Target{Label: name + ":80", Name: name, Known: address, Port: HTTPPort}
}

// numberedAddress returns the addresses of a name of the two zones.
func numberedAddress(name string) (Dual, bool) {
	label, zone, _ := strings.Cut(name, ".")
	i, err := strconv.ParseUint(strings.TrimPrefix(label, "n"), 10, 15)
	if err != nil || (zone != freshZone && zone != shortZone) {
		return Dual{}, false
	}
	v4, v6 := outsideNetworks[4].Addr().As4(), outsideNetworks[5].Addr().As16()
	half := uint64(0)
	if zone == shortZone {
		half = 0x80
	}
	v4[2], v4[3] = byte(half+i>>8), byte(i)
	v6[14], v6[15] = v4[2], v4[3]
	return Dual{V4: netip.AddrFrom4(v4), V6: netip.AddrFrom16(v6)}, true
}

// records is the scene's own zone.
func records(name string) (_ Dual, ttl uint32, known bool) {
	switch name {
	case ExampleCom.Name:
		return exampleCom, longTTL, true
	case HTTPBin.Name:
		return httpbinOrg, longTTL, true
	}
	address, known := numberedAddress(name)
	if strings.HasSuffix(name, shortZone) {
		return address, shortTTL, known
	}
	return address, longTTL, known
}

// discard reads what is left, so that a connection can be used again.
func discard(body io.ReadCloser) error {
	_, err := io.Copy(io.Discard, body)
	return errors.Join(err, body.Close())
}
