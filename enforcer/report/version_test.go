package report

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// TestVersionsAreNumbers: resourceVersions compare as decimal numbers of any
// length (KEP-5504).
func TestVersionsAreNumbers(t *testing.T) {
	number := rapid.StringMatching(`[1-9][0-9]{0,25}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := number.Draw(t, "a"), number.Draw(t, "b")
		x, _ := new(big.Int).SetString(a, 10)
		y, _ := new(big.Int).SetString(b, 10)
		if got, want := parseVersion(a).covers(parseVersion(b)), x.Cmp(y) >= 0; got != want {
			t.Errorf("%s covers %s: got %t, want %t", a, b, got, want)
		}
	})
}

func TestVersionThatProvesNothing(t *testing.T) {
	for _, row := range []struct{ sentence, text string }{
		{"an absent one", ""},
		{"a list at any version", "0"},
		{"another database's", "a7"},
		{"a negative one", "-7"},
		{"one that is not in its shortest form", "07"},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			v := parseVersion(row.text)
			if v.covers("1") || parseVersion("9").covers(v) || v.covers(v) {
				t.Errorf("got %q to cover or be covered, want neither", row.text)
			}
		})
	}
}
