package manifests

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/settings"
	"github.com/nameward/nameward/plugin/names"
)

// exampleFlow is a line of an example's comment, such as
//
//	#   shop/web -> api.example.com=203.0.113.10 tcp/443 allow
var exampleFlow = regexp.MustCompile(`^#   (\S+) (->|<-) (\S+) (icmp|tcp/\d+|udp/\d+|sctp/\d+) (allow|deny|would-deny)$`)

// stances are what happens and what would with everything in force (P23).
var stances = map[string][2]policy.Verdict{
	"allow":      {policy.Allow, policy.Allow},
	"deny":       {policy.Deny, policy.Deny},
	"would-deny": {policy.Allow, policy.Deny},
}

// P1 to P15, P22, P23: policies as users write them are accepted without a
// problem and mean what their comments say, judged by the rules themselves and
// by the compiled tables.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("testdata/examples/*.yaml")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	for _, path := range files {
		if filepath.Base(path) == "cluster.yaml" {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			text := read(t, path)
			s := mustLoad(t, map[string]string{"cluster.yaml": read(t, "testdata/examples/cluster.yaml"), "example.yaml": text})
			if len(s.Problems) > 0 {
				t.Errorf("got problems %v, want none", s.Problems)
			}
			world := s.World("n1", settings.Settings{Default: policy.Allow, ClusterDNS: []netip.Addr{netip.MustParseAddr("10.96.0.10")}})
			compiled := policy.Compile(world)
			if len(compiled.Problems) > 0 {
				t.Errorf("got problems %v, want none", compiled.Problems)
			}
			verdicts := map[bool]int{}
			for i, line := range comment(text) {
				words := exampleFlow.FindStringSubmatch(line)
				if words == nil {
					t.Fatalf("line %d is no flow: %s", i+2, line)
				}
				verdicts[words[5] == "allow"]++
				for _, f := range exampleFlows(t, world, words) {
					checkFlow(t, line, world, compiled, f, stances[words[5]])
				}
			}
			if len(verdicts) != 2 {
				t.Errorf("got verdicts %v, want one that allows and one that does not", verdicts)
			}
		})
	}
}

func checkFlow(t *testing.T, line string, w *policy.World, c *policy.Compiled, f policy.Flow, want [2]policy.Verdict) {
	t.Helper()
	rules := [2]policy.Decision{policy.Evaluate(w, f), policy.EvaluateAudit(w, f)}
	if got := [2]policy.Verdict{rules[0].Verdict, rules[1].Verdict}; got != want {
		t.Errorf("%s (%s): rules say %v, want %v; because %s, or %s", line, f.Peer, got, want, rules[0].Why, rules[1].Why)
	}
	if f.Direction == policy.Egress && slices.Contains(f.Pod.Addresses, f.Peer) {
		return // P19 comes before the tables
	}
	ep := policy.EndpointOf(f.Pod.Ref.UID)
	tables, class := withGrant(c, ep, f)
	got := [2]policy.Verdict{
		tables.Judge(ep, f.Direction, f.Peer, f.Protocol, f.Port, class).Verdict,
		tables.Audit(ep, f.Direction, f.Peer, f.Protocol, f.Port, class).Verdict,
	}
	if got != want {
		t.Errorf("%s (%s): tables say %v, want %v", line, f.Peer, got, want)
	}
}

// withGrant is the tables as they are with the grant that the flow's names
// make.
func withGrant(c *policy.Compiled, ep policy.EndpointID, f policy.Flow) (*policy.Tables, policy.ClassID) {
	var granted []string
	for _, text := range c.Tables.Endpoints[ep].Patterns {
		if pattern, err := names.Parse(text); err == nil && slices.ContainsFunc(f.Names, pattern.Matches) {
			granted = append(granted, text)
		}
	}
	tables := *c.Tables
	tables.NameRows = c.NameRows(ep, granted)
	return &tables, c.NameClass(granted)
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// comment gives the lines at the top of an example after the first, which is
// a sentence.
func comment(text string) []string {
	lines := strings.Split(text, "\n")
	end := slices.IndexFunc(lines, func(line string) bool { return !strings.HasPrefix(line, "#") })
	return lines[1:max(1, end)]
}

// exampleFlows is one flow for each address that the peer has in a family that
// the pod has as well.
func exampleFlows(t *testing.T, w *policy.World, words []string) []policy.Flow {
	t.Helper()
	f := policy.Flow{Direction: policy.Egress, Pod: podOf(w, words[1]), Protocol: 1}
	if f.Pod == nil {
		t.Fatalf("no pod %s", words[1])
	}
	if words[2] == "<-" {
		f.Direction = policy.Ingress
	}
	if name, port, ok := strings.Cut(words[4], "/"); ok {
		f.Protocol = map[string]uint8{"tcp": 6, "udp": 17, "sctp": 132}[name]
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			t.Fatal(err)
		}
		f.Port = uint16(number)
	}
	peer := words[3]
	if name, address, ok := strings.Cut(peer, "="); ok {
		peer = address
		f.Names = []string{canonical(t, name)}
	}
	addresses := []netip.Addr{}
	if pod := podOf(w, peer); pod != nil {
		addresses = pod.Addresses
	} else if addr, err := netip.ParseAddr(peer); err == nil {
		addresses = append(addresses, addr)
	}
	if len(addresses) == 0 {
		t.Fatalf("no peer %s", peer)
	}
	var flows []policy.Flow
	for _, f.Peer = range addresses {
		flows = append(flows, f)
	}
	return flows
}

func canonical(t *testing.T, name string) string {
	t.Helper()
	pattern, err := names.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	return pattern.String()
}

func podOf(w *policy.World, name string) *policy.Pod {
	for _, p := range w.Pods {
		if fmt.Sprintf("%s/%s", p.Ref.Namespace, p.Ref.Name) == name {
			return p
		}
	}
	return nil
}
