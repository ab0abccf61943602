package names

import "strings"

// Canonical returns name in lower case (ASCII only: the DNS knows no other
// case) and without its trailing dot. It allocates nothing where name is
// canonical already. A malformed end, such as an empty label or an escaped
// dot, stays as it is, so that it cannot become well-formed.
func Canonical(name string) string {
	if rooted(name) {
		name = name[:len(name)-1]
	}
	for i := 0; i < len(name); i++ {
		if 'A' <= name[i] && name[i] <= 'Z' {
			return lower(name, i)
		}
	}
	return name
}

// rooted reports whether name ends in the dot that stands for the root.
func rooted(name string) bool {
	if !strings.HasSuffix(name, ".") {
		return false
	}
	rest := name[:len(name)-1]
	return !strings.HasSuffix(rest, ".") && !strings.HasSuffix(rest, `\`)
}

// lower lowers name, whose first upper-case byte is at first.
func lower(name string, first int) string {
	b := []byte(name)
	for i := first; i < len(b); i++ {
		if 'A' <= b[i] && b[i] <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}

// fold writes the canonical form of name into buf and returns its length. It
// reports false for what matches no pattern: the root, empty or overlong
// labels, overlong names, and every name with a backslash.
//
// Names from DNS messages arrive in presentation format, in which a backslash
// escapes the byte after it: evil\.example.com is one label "evil.example"
// under com, and who splits it at its dots takes it for a name under
// example.com. Patterns cannot contain any byte that needs an escape, so the
// only names lost by refusing all of them are odd hosts below a wildcard, and
// these are denied, not allowed.
func fold(name string, buf *[maxName]byte) (n int, ok bool) {
	if rooted(name) {
		name = name[:len(name)-1]
	}
	if len(name) > maxName {
		return 0, false
	}
	label := 0
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case c == '\\':
			return 0, false
		case c == '.':
			if label == 0 {
				return 0, false
			}
			label = -1
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		if label++; label > maxLabel {
			return 0, false
		}
		buf[i] = c
	}
	return len(name), label > 0
}
