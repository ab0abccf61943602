package main

import (
	"bytes"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// N14: a node-local CoreDNS has an address of its own on every node; it comes,
// changes and goes by commands that may be run any number of times.
func TestAddressOfANodeLocalCoreDNS(t *testing.T) {
	needRoot(t)
	runtime.LockOSThread() // never unlocked: the thread ends, and with it the namespace
	check(t, unix.Unshare(unix.CLONE_NEWNET))
	check(t, netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "others"}}))
	for _, row := range []struct {
		sentence string
		args     []string
		exit     int
		want     []string // addresses of dns0 afterwards; nil for no interface
		says     string
	}{
		{"removing what is not there is fine", []string{"remove", "--interface", "dns0"}, exitClean, nil, ""},
		{"it is made, with both families", []string{"add", "--interface", "dns0", "--address", "169.254.20.10,fd00::10"}, exitClean, []string{"169.254.20.10", "fd00::10"}, ""},
		{"made once more, it is as before", []string{"add", "--interface", "dns0", "--address", "169.254.20.10,fd00::10"}, exitClean, []string{"169.254.20.10", "fd00::10"}, ""},
		{"what is not asked for any more goes", []string{"add", "--interface", "dns0", "--address", "169.254.20.11"}, exitClean, []string{"169.254.20.11"}, ""},
		{"somebody else's interface is left alone", []string{"remove", "--interface", "others"}, exitFailure, []string{"169.254.20.11"}, "is a bridge of somebody else"},
		{"also by add", []string{"add", "--interface", "others", "--address", "169.254.20.10"}, exitFailure, []string{"169.254.20.11"}, "is a bridge of somebody else"},
		{"an address is needed", []string{"add", "--interface", "dns0"}, exitUsage, []string{"169.254.20.11"}, "--address: want one or more IP addresses"},
		{"and has to be one", []string{"add", "--interface", "dns0", "--address", "dns"}, exitUsage, []string{"169.254.20.11"}, `"dns": want an IP address`},
		{"the name is bounded", []string{"remove", "--interface", "longer-than-15-bytes"}, exitUsage, []string{"169.254.20.11"}, "--interface: "},
		{"it is removed", []string{"remove", "--interface", "dns0"}, exitClean, nil, ""},
	} {
		var out bytes.Buffer
		got := run(t.Context(), env{stdout: &out, stderr: &out, hostname: os.Hostname}, append([]string{"address"}, row.args...))
		if got != row.exit || !strings.Contains(out.String(), row.says) {
			t.Errorf("%s: got exit %d and %q, want %d and %q", row.sentence, got, out.String(), row.exit, row.says)
		}
		if got := addressesOf(t, "dns0"); !slices.Equal(got, row.want) {
			t.Errorf("%s: got %q, want %q", row.sentence, got, row.want)
		}
	}
	if _, err := netlink.LinkByName("others"); err != nil {
		t.Errorf("somebody else's interface: %v", err)
	}
}

// addressesOf leaves out what the kernel gives by itself.
func addressesOf(t *testing.T, name string) []string {
	t.Helper()
	link, err := netlink.LinkByName(name)
	if err != nil {
		return nil
	}
	all, err := netlink.AddrList(link, netlink.FAMILY_ALL)
	check(t, err)
	var texts []string
	for _, a := range all {
		if ip, _ := netip.AddrFromSlice(a.IP); !ip.Is6() || !ip.IsLinkLocalUnicast() {
			texts = append(texts, ip.String())
		}
	}
	slices.Sort(texts)
	return texts
}
