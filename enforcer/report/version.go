package report

import "strings"

// version is a resourceVersion. Those of one kind are comparable as decimal
// numbers of any length (KEP-5504). The zero value is unknown.
type version string

// parseVersion gives the unknown version for what is no positive decimal number
// in its shortest form: it cannot be compared, so it proves nothing.
func parseVersion(s string) version {
	if s == "" || s[0] == '0' || strings.Trim(s, "0123456789") != "" {
		return ""
	}
	return version(s)
}

func (v version) compare(w version) int {
	if d := len(v) - len(w); d != 0 {
		return d
	}
	return strings.Compare(string(v), string(w))
}

// covers says that whoever has seen v has seen w. An unknown version covers
// nothing and is covered by nothing.
func (v version) covers(w version) bool { return v != "" && w != "" && v.compare(w) >= 0 }
