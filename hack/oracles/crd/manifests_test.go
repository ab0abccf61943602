package crd

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nameward/nameward/enforcer/manifests"
)

// P1: what a cluster accepts, a folder of manifests may hold: no object is an
// error here that is none there. What nameward does not understand in it is a
// problem of the policy (P15), never a reason to read nothing.
func TestManifestsAcceptWhatClustersDo(t *testing.T) {
	folder := t.TempDir()
	eachKind(t, func(t *testing.T, _, reference *Definition, all []entry) {
		read, told := 0, 0
		eachMutation(t, all, func(object map[string]any) {
			if t.Failed() || reference.Judge(object).Refused != nil {
				return
			}
			snapshot, err := load(t, folder, object)
			if err != nil && unreadable(object) == "" {
				text, _ := json.Marshal(object)
				t.Errorf("got %v, want what the reference accepts to be read\n%s", err, text)
				return
			}
			read++
			if err == nil && len(snapshot.Problems) > 0 {
				told++
			}
		})
		t.Logf("%d objects read, %d of them with problems", read, told)
		if read == 0 || told == 0 || told == read {
			t.Errorf("got %d objects read and %d with problems, want some of either kind", read, told)
		}
	})
}

// unreadable says why a cluster's object cannot be read into the Go types of
// its API, which is an error of the whole file: typed clients in Go cannot read
// it from a cluster either.
func unreadable(object map[string]any) string {
	for _, at := range placesIn("", object) {
		list, _ := at.value.([]any)
		if strings.HasSuffix(at.path, ".lastTransitionTime") && list != nil {
			return "a server takes a list for a text where the schema gives a format"
		}
	}
	return ""
}

// laxities are what a cluster refuses and a folder takes without a word, each
// with what it then means.
var laxities = []struct{ refusal, meaning string }{
	{`^status\b|observed`, "nobody reads the status of a file"},
	{`Too many: \d+: must have at most \d\d+ items`, "P9: no limit on the number of anything"},
	{`Too long: may not be more than 100 bytes`, "a rule's name may be longer"},
	{`Duplicate value`, "twice is once"},
	{`Start port must be less than End port`, "a range of one port is clear"},
	{`Invalid CIDR format provided`, "P11: leading zeros are tolerated, in decimal"},
	{`cannot be set with namedPorts`, "P10: the pair matches nothing"},
	{`may not be more than 43 bytes`, "P11: leading zeros are tolerated"},
	{`^metadata.namespace: Required`, "as for kubectl, the namespace default"},
	{`^metadata.labels`, "nobody reads the labels of a policy"},
	{`(tcp|udp|sctp) in body should have at least 1 properties`, "every port of the protocol, as the API's text says"},
}

// TestManifestsRefuseWhatClustersDo: no object gets wider by being read from
// a folder, but in the listed ways.
func TestManifestsRefuseWhatClustersDo(t *testing.T) {
	folder := t.TempDir()
	used := map[string]bool{}
	eachKind(t, func(t *testing.T, _, reference *Definition, all []entry) {
		for _, e := range all {
			refused := reference.Judge(e.whole).Refused
			if refused == nil {
				continue
			}
			snapshot, err := load(t, folder, e.whole)
			if err != nil || len(snapshot.Problems) > 0 {
				continue
			}
			meaning := ""
			for _, l := range laxities {
				if regexp.MustCompile(l.refusal).MatchString(refused.Error()) {
					meaning, used[l.refusal] = l.meaning, true
				}
			}
			if meaning == "" {
				t.Errorf("%s: got it read without a problem, where a cluster says %v", e.Says, refused)
			}
		}
	})
	for _, l := range laxities {
		if !used[l.refusal] {
			t.Errorf("%s: nothing is refused in clusters as %q and read here", l.meaning, l.refusal)
		}
	}
}

func load(t *testing.T, folder string, object map[string]any) (*manifests.Snapshot, error) {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "object.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return manifests.Load(folder)
}
