package convert

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/nameward/nameward/enforcer/policy"
)

// Annotations of policies with domainNames.
const (
	// MinTTLAnnotation is the shortest TTL that is believed of the policy's
	// names (N5).
	MinTTLAnnotation = AnnotationPrefix + "min-ttl"
	// GraceAnnotation is how long their addresses outlive their TTL (N5).
	GraceAnnotation = AnnotationPrefix + "grace"
	// AllowPrivateAnnotation are the private ranges that the names may lead to
	// (N10).
	AllowPrivateAnnotation = AnnotationPrefix + "allow-private"
)

// longestLife is the largest value of both durations. Past a day it is no rule
// about names any more.
const longestLife = 24 * time.Hour

// ParseLife reads a duration that makes lifetimes: 0s to 24h (N5).
func ParseLife(s string) (time.Duration, error) {
	d, err := time.ParseDuration(strings.TrimSpace(s))
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration; write a number and a unit, such as 30s or 5m", s)
	}
	if d < 0 || d > longestLife {
		return 0, fmt.Errorf("%q is out of range; write 0s to 24h", s)
	}
	return d, nil
}

// readTerm sets zero where it cannot read s: of all durations the strictest,
// which the node's setting need not be.
func readTerm(into *policy.Term, s string) error {
	d, err := ParseLife(s)
	*into = policy.Fixed(d)
	return err
}

// everyRange is what "true" allows. The guard still refuses what nobody may
// allow, such as link-local addresses and those of pods.
var everyRange = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}

// readPrivate allows nothing where it cannot read all of s: of a list that is
// half understood, the other half may have been what mattered.
func readPrivate(into *[]netip.Prefix, s string) error {
	*into = nil
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true":
		*into = slices.Clone(everyRange)
		return nil
	case "false":
		return nil
	case "":
		return fmt.Errorf("%q says nothing; write true, false or CIDRs such as %q", s, "10.0.0.0/8, fd00::/8")
	}
	var all []netip.Prefix
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		prefix, err := CIDR(part)
		if err != nil {
			return fmt.Errorf("%w; true stands for all private ranges", err)
		}
		if kind := hopeless(prefix); kind != "" {
			return fmt.Errorf("%q is of %s addresses, which no name may lead to; remove it", part, kind)
		}
		all = append(all, prefix)
	}
	*into = all
	return nil
}

// hopeless says of what kind all addresses of a range are, where it is one that
// no policy can allow.
func hopeless(p netip.Prefix) string {
	for _, never := range nobodys {
		if never.Bits() <= p.Bits() && never.Contains(p.Addr()) {
			return never.kind
		}
	}
	return ""
}

// nobodys are ranges that no policy can allow, by what they are.
var nobodys = []struct {
	netip.Prefix
	kind string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "unspecified"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("::1/128"), "loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
}
