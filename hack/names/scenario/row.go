// Package scenario is a table of what DNS servers do, and of what a pod's first
// packets may do then: each row is a sentence, a Script for the authority or a
// CoreDNS chain, and what SEMANTICS.md and the RFCs want of it. It runs the rows
// against the real CoreDNS and the real enforcer on one node, and must not take
// an expectation from what they do.
package scenario

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/nameward/nameward/hack/names/authority"
)

// Row is one scenario. In all texts {1} is the row's first IPv4 address outside,
// {1..40} are forty, one for each word or line. {6.1} is the IPv6 address,
// {mapped.1}, {nat64.1} and {6to4.1} are the IPv4 address in IPv6 forms.
type Row struct {
	// ID is the line of SEMANTICS.md that the row proves first.
	ID string
	// Says is what the server does and what becomes of it, in one sentence.
	Says string
	// Name is what the pod asks for; without its last dot it is below allowed.
	Name string
	// Serves are the records of Name; Script is what the authority does for it
	// where that is more than to serve records.
	Serves string
	Script func(place) authority.Script
	// More are records of further names.
	More map[string]string
	// Asks are the pod's questions, one after the other; none means A over UDP
	// to Plain.
	Asks []Ask
	// Warm is asked before, by another pod with the same policy.
	Warm []Ask
	// Sees is what the pod gets for the last question: the code, TC, and the
	// addresses of whatever owner. Empty: NOERROR and what is granted.
	Sees string
	// Grants are the addresses that the pod may reach from then on, and whose
	// first SYN passes. All others that the row names are closed.
	Grants string
	// Drops are the addresses whose first SYN is dropped.
	Drops string
	// Never are addresses that are not granted, and to which no SYN leaves a
	// pod's network namespace.
	Never string
	// Life is how long the grants are valid after the last answer; 0 is not
	// checked.
	Life time.Duration
	// Counts are series of a program's metrics, or how they begin, which must
	// have grown by one for each row that names them.
	Counts []string
}

// Ask is one question.
type Ask struct {
	// Name is asked instead of the row's.
	Name string
	Type uint16 // 0: A
	// Of is the CoreDNS chain that is asked.
	Of chain
	// By is how it is asked.
	By transport
	// Size is the UDP size that EDNS offers; 0: no EDNS.
	Size uint16
	// Secure sets DO.
	Secure bool
	// Padded adds EDNS padding.
	Padded bool
	// Pause is how long the pod waits before.
	Pause time.Duration
}

type transport uint8

const (
	udp transport = iota
	tcp
	dot
	doh
)

// Domains of the table.
const (
	// allowed is the domain whose names the pods' policy admits.
	allowed = "fault.example."
	// foreign is a domain that it does not.
	foreign = "elsewhere.example."
)

// fqdn completes a name of the table.
func fqdn(name string) string {
	if strings.HasSuffix(name, ".") {
		return name
	}
	return name + "." + allowed
}

// Networks outside that hold the rows' addresses.
var (
	block4 = netip.MustParsePrefix("44.0.0.0/8")
	block6 = netip.MustParsePrefix("2606:4700:44::/48")
)

// rowSpan is how many IPv4 addresses a row has.
const rowSpan = 8192

// address is the nth address of row, in a form.
func address(row, n int, form string) (netip.Addr, error) {
	if n < 1 || n >= rowSpan {
		return netip.Addr{}, fmt.Errorf("address %d: a row has 1 to %d", n, rowSpan-1)
	}
	v4 := block4.Addr().As4()
	low := row*rowSpan + n
	v4[1], v4[2], v4[3] = byte(low>>16), byte(low>>8), byte(low)
	v6 := block6.Addr().As16()
	switch form {
	case "":
		return netip.AddrFrom4(v4), nil
	case "6":
		v6[9], v6[10], v6[14], v6[15] = byte(row>>8), byte(row), byte(n>>8), byte(n)
		return netip.AddrFrom16(v6), nil
	case "mapped":
		return netip.AddrFrom16(netip.AddrFrom4(v4).As16()), nil
	case "nat64":
		return netip.ParseAddr(fmt.Sprintf("64:ff9b::%02x%02x:%02x%02x", v4[0], v4[1], v4[2], v4[3]))
	case "6to4":
		return netip.ParseAddr(fmt.Sprintf("2002:%02x%02x:%02x%02x::1", v4[0], v4[1], v4[2], v4[3]))
	default:
		return netip.Addr{}, fmt.Errorf("no form %q of an address", form)
	}
}

var placeholder = regexp.MustCompile(`\{(?:(\w+)\.)?(\d+)(?:\.\.(\d+))?\}`)

// expand writes the addresses of row into part, once for each of a range.
func expand(row int, part string) []string {
	match := placeholder.FindStringSubmatchIndex(part)
	if match == nil {
		return []string{part}
	}
	group := func(i int) string {
		if match[2*i] < 0 {
			return ""
		}
		return part[match[2*i]:match[2*i+1]]
	}
	first, _ := strconv.Atoi(group(2))
	last := first
	if end := group(3); end != "" {
		last, _ = strconv.Atoi(end)
	}
	var all []string
	for n := first; n <= last; n++ {
		addr, err := address(row, n, group(1))
		if err != nil {
			panic(fmt.Sprintf("row %d: %q: %v", row, part, err)) // the table is part of the program
		}
		rest := part[:match[0]] + addr.String() + part[match[1]:]
		all = append(all, expand(row, rest)...)
	}
	return all
}

// records expands a text of zone lines.
func records(row int, text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, expand(row, strings.TrimSpace(line))...)
	}
	return strings.Join(lines, "\n")
}

// words expands a text of words.
func words(row int, text string) []string {
	var all []string
	for _, word := range strings.Fields(text) {
		all = append(all, expand(row, word)...)
	}
	return all
}

// addresses expands a text of addresses. They are what a packet would bear: an
// IPv4-mapped one is IPv4.
func addresses(row int, text string) []netip.Addr {
	var all []netip.Addr
	for _, word := range words(row, text) {
		all = append(all, netip.MustParseAddr(word).Unmap())
	}
	return all
}

// asks are the row's questions, complete.
func (r Row) asks() []Ask { return r.complete(r.Asks, []Ask{{}}) }

func (r Row) complete(asks, otherwise []Ask) []Ask {
	if len(asks) == 0 {
		asks = otherwise
	}
	all := make([]Ask, len(asks))
	for i, ask := range asks {
		if ask.Name == "" {
			ask.Name = r.Name
		}
		ask.Name = fqdn(ask.Name)
		if ask.Type == 0 {
			ask.Type = dns.TypeA
		}
		all[i] = ask
	}
	return all
}

// sees is the row's Sees in full.
func (r Row) sees(row int) string {
	text := r.Sees
	if text == "" {
		text = "NOERROR " + r.Grants
	}
	return shorten(words(row, text))
}

// shown is how many words of an answer are compared one by one.
const shown = 8

// shorten counts addresses where there are many.
func shorten(words []string) string {
	if len(words) <= shown {
		return strings.Join(words, " ")
	}
	head, addrs := "", 0
	for _, word := range words {
		if _, err := netip.ParseAddr(word); err == nil {
			addrs++
		} else {
			head += word + " "
		}
	}
	return fmt.Sprintf("%s%d addresses", head, addrs)
}

// place is a row's number, by which scripts get at its addresses.
type place int

func (p place) answers(text string) authority.Script {
	return authority.Answers(records(int(p), text))
}

func (p place) addr(n int) netip.Addr {
	return addresses(int(p), fmt.Sprintf("{%d}", n))[0]
}

// scripts are what the authority plays for the row.
func (r Row) scripts(row int) map[string]authority.Script {
	scripts := map[string]authority.Script{}
	switch {
	case r.Script != nil:
		scripts[fqdn(r.Name)] = r.Script(place(row))
	case r.Serves != "":
		scripts[fqdn(r.Name)] = place(row).answers(r.Serves)
	}
	for name, text := range r.More {
		scripts[fqdn(name)] = place(row).answers(text)
	}
	return scripts
}
