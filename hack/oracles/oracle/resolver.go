package oracle

import (
	"net"
	"regexp"
	"slices"
	"strings"
)

// ContainsIP answers the engine about a domain name from the names that have
// been resolved: an exact name is itself, a wildcard one or more whole labels
// (N1). It is written anew here, so that a fault of nameward's own matching
// shows.
func (o *kubeNetwork) ContainsIP(domain string, ip net.IP) bool {
	pattern := regexp.QuoteMeta(strings.TrimSuffix(strings.ToLower(domain), "."))
	if rest, wildcard := strings.CutPrefix(pattern, `\*\.`); wildcard {
		pattern = `([^.]+\.)+` + rest
	}
	matches := regexp.MustCompile("^" + pattern + "$").MatchString
	for name, addresses := range o.cluster.Resolved {
		if matches(name) && slices.ContainsFunc(addresses, func(a string) bool { return net.ParseIP(a).Equal(ip) }) {
			return true
		}
	}
	return false
}
