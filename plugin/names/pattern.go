// Package names knows domain names and the patterns that policies select them
// by: how a pattern is written, when a name matches it, and how many patterns
// are matched at once. It must not know DNS messages, pods or policies: both
// the plugin and the enforcer use it and have to come to the same answer.
package names

import "strings"

// Limits of the DNS (RFC 1035, 2.3.4), for text without the trailing dot.
const (
	maxName  = 253
	maxLabel = 63
)

// Pattern is a domain name, such as example.com, or a wildcard, such as
// *.example.com, which stands for every name that has one or more whole labels
// before example.com. Patterns are comparable; the zero Pattern matches
// nothing.
type Pattern struct {
	text string // canonical, with "*." where it is a wildcard
}

// String returns the canonical form: lower case, no trailing dot, the "*."
// kept. Two patterns match the same names exactly if their strings are equal.
func (p Pattern) String() string { return p.text }

// Wildcard reports whether the pattern starts with "*.".
func (p Pattern) Wildcard() bool { return strings.HasPrefix(p.text, "*.") }

// Matches reports whether name, in canonical form, is one that p stands for.
// It never matches names that fold refuses.
func (p Pattern) Matches(name string) bool {
	var buf [maxName]byte
	n, ok := fold(name, &buf)
	if !ok {
		return false
	}
	if !p.Wildcard() {
		return string(buf[:n]) == p.text
	}
	suffix := p.text[1:] // with its dot, so that only whole labels count
	return n > len(suffix) && string(buf[n-len(suffix):n]) == suffix
}

// suffix returns the labels that every matching name ends in.
func (p Pattern) suffix() string { return strings.TrimPrefix(p.text, "*.") }
