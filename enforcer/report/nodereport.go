package report

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"time"
)

const (
	// reportKey is the annotation of a node's Lease that holds its report.
	reportKey = "nameward.io/report"
	// nodeKey is the annotation that names the node: a long name is only
	// hashed in the Lease's own.
	nodeKey = "nameward.io/node"
	// partLabel marks our Leases among those of the namespace, partNode those of
	// nodes and partElection the one that says who is elected.
	partLabel    = "nameward.io/part"
	partNode     = "node-report"
	partElection = "election"
	// leasePrefix is followed by the node's name.
	leasePrefix = "nameward-node-"
	// longestName is that of an object (RFC 1123 subdomain, as Leases want).
	longestName = 253
)

// Leases selects, by their labels, all Leases that Reporters have made in the
// enforcers' namespace. Those of nodes belong to Node objects, and outlive the
// enforcers.
const Leases = partLabel + " in (" + partNode + "," + partElection + ")"

// leaseName is the name of a node's Lease. Nodes may have names as long as
// Leases, so that a prefix does not always fit.
func leaseName(node string) string {
	if len(leasePrefix)+len(node) <= longestName {
		return leasePrefix + node
	}
	sum := sha256.Sum256([]byte(node))
	return leasePrefix + "sha256-" + hex.EncodeToString(sum[:16])
}

// mark is a digest of generations of policies; a string in JSON, whose numbers
// are no integers to everybody.
type mark uint64

func (m mark) MarshalText() ([]byte, error) { return strconv.AppendUint(nil, uint64(m), 16), nil }

func (m *mark) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 16, 64)
	*m = mark(n)
	return err
}

// inForce is what a kernel has of a kind of policies.
type inForce struct {
	// Version is the resourceVersion up to which everything of the kind is in force.
	Version version `json:"version"`
	// Set is the digest of the policies in force whose current generation that is.
	Set mark `json:"set"`
}

// nodeReport is what a node says of itself.
type nodeReport struct {
	Kinds map[string]inForce `json:"kinds"`
	// Unpoliced is the number of pods of the node that no filter holds.
	Unpoliced int `json:"unpoliced,omitempty"`
	// At is the node's clock at writing. It makes every heartbeat different;
	// as a time it is trusted only where nothing better is known.
	At time.Time `json:"at"`
}

// newReport is the report of the node whose ledger l is.
func newReport(l *ledger, unpoliced int, now time.Time) nodeReport {
	r := nodeReport{Kinds: make(map[string]inForce, len(Kinds)), Unpoliced: unpoliced, At: now.UTC().Truncate(time.Second)}
	for k, f := range l.inForce() {
		r.Kinds[k.String()] = f
	}
	return r
}

// says tells whether r has other contents than last that somebody waits for. A
// higher version with the same set is none: every status that is written raises
// the versions, and thousands of nodes would answer each with a write of theirs.
func (r nodeReport) says(last nodeReport) bool {
	sets := func(r nodeReport) map[string]mark {
		all := make(map[string]mark, len(r.Kinds))
		for _, k := range Kinds {
			if f, ok := r.Kinds[k.String()]; ok && serving[k].status {
				all[k.String()] = f.Set
			}
		}
		return all
	}
	return r.Unpoliced != last.Unpoliced || !maps.Equal(sets(r), sets(last))
}

func (r nodeReport) encode() string {
	text, err := json.Marshal(r)
	if err != nil {
		panic(fmt.Sprintf("encode a report: %v", err)) // strings, numbers and a time of this century
	}
	return string(text)
}

// decodeReport reads what another program version may have written. A version
// that cannot be compared is left out, so that it proves nothing.
func decodeReport(text string) (nodeReport, error) {
	var r nodeReport
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return nodeReport{}, fmt.Errorf("read annotation %s: %w", reportKey, err)
	}
	for k, f := range r.Kinds {
		if f.Version = parseVersion(string(f.Version)); f.Version == "" {
			delete(r.Kinds, k)
		}
	}
	return r, nil
}
