package names

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// ParseError says why a text is no pattern, and what would be one.
type ParseError struct {
	// Pattern is the text as its author wrote it.
	Pattern string
	// Reason continues the sentence "domain name …: ".
	Reason string
}

// Error names the pattern, cut where it is too long to read, and the reason.
func (e *ParseError) Error() string {
	const readable = 80
	text := e.Pattern
	if len(text) > readable {
		text = text[:readable] + "…"
	}
	return fmt.Sprintf("domain name %s: %s", strconv.Quote(text), e.Reason)
}

// Parse reads a pattern as policies write it: a name of two or more labels,
// any case, perhaps a leading "*." and perhaps a trailing dot.
//
// It takes what the pattern of the custom resource definitions takes, which is
//
//	^(\*\.)?([a-zA-z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.)+[a-zA-z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.?$
//
// less the junk that it lets through: its A-z also holds [ \ ] ^ and `, it
// counts no lengths, and it takes addresses for names. Of the six odd bytes in
// A-z the underscore stays, because names such as _dmarc.example.com exist.
//
// Every error is a *ParseError.
func Parse(s string) (Pattern, error) {
	text := Canonical(s)
	if reason := fault(text); reason != "" {
		return Pattern{}, &ParseError{Pattern: s, Reason: reason}
	}
	return Pattern{text: text}, nil
}

// fault returns what is wrong with a canonical text, or "".
func fault(text string) string {
	name := strings.TrimPrefix(text, "*.")
	switch {
	case text == "":
		return "is empty; write a name such as example.com or *.example.com"
	case address(name):
		return "is an address, not a name; select addresses by ipBlock or networks"
	case strings.ContainsAny(text, "/:"):
		return "contains a scheme, port or path; write the host name alone, such as example.com"
	case len(text) > maxName:
		return fmt.Sprintf("has %d characters; a name has at most %d", len(text), maxName)
	case strings.Contains(name, "*"):
		return `has a "*" that is not the whole first label; "*" stands for whole labels and only in front, as in *.example.com`
	case !strings.Contains(name, "."):
		return "needs at least two labels, as in example.com or *.example.com"
	}
	for label := range strings.SplitSeq(name, ".") {
		if reason := labelFault(label); reason != "" {
			return reason
		}
	}
	return ""
}

// address reports whether clients would take the name for an address: they
// read 127.1 and 0x7f.0.0.1 as well (inet_aton), so every name that is made of
// numbers alone counts. No top-level domain is a number (RFC 3696, 2).
func address(name string) bool {
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	if _, err := netip.ParsePrefix(name); err == nil {
		return true
	}
	for label := range strings.SplitSeq(name, ".") {
		if !number(label) {
			return false
		}
	}
	return true
}

// number reports whether label, in lower case, is a decimal, octal or
// hexadecimal number of any size.
func number(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return label != "" && strings.Trim(label, "0123456789") == ""
}

// labelFault returns what is wrong with one label in lower case, or "".
func labelFault(label string) string {
	if label == "" {
		return "has an empty label; write one dot between labels and none in front"
	}
	if len(label) > maxLabel {
		return fmt.Sprintf("has a label of %d characters; a label has at most %d", len(label), maxLabel)
	}
	for _, r := range label {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '-', r == '_':
		case r > '~':
			return fmt.Sprintf("contains %q; write internationalised names in their ASCII form (xn--…)", r)
		default:
			return fmt.Sprintf(`contains %q; labels are made of letters, digits, "-" and "_"`, r)
		}
	}
	if label[0] == '-' {
		return fmt.Sprintf(`has the label %q; labels begin with a letter, a digit or "_"`, label)
	}
	if last := label[len(label)-1]; last == '-' || last == '_' && len(label) > 1 {
		return fmt.Sprintf("has the label %q; labels end with a letter or a digit", label)
	}
	return ""
}
