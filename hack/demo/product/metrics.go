package product

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Verdict is one label set of nameward_verdicts_total.
type Verdict struct{ Direction, Verdict, Tier, Reason string }

// Denied says whether packets of this verdict were dropped.
func (v Verdict) Denied() bool { return v.Verdict != "allow" }

// Tiered says whether a tier of policies or the node default decided, rather
// than what is known already: an open connection, or the link's own protocols.
func (v Verdict) Tiered() bool { return slices.Contains(tiers, v.Tier) }

var tiers = []string{"admin", "networkpolicy", "baseline", "default"}

// String reads like a sentence in a table.
func (v Verdict) String() string {
	reason, named := strings.CutSuffix(v.Reason, "-name")
	reason = strings.ReplaceAll(reason, "-", " ")
	if named {
		reason += " by name"
	}
	if v.Tiered() && !strings.HasPrefix(reason, v.Tier) {
		reason = v.Tier + ": " + reason
	}
	return reason + " (" + v.Direction + ")"
}

// Counters are packets by verdict.
type Counters map[Verdict]uint64

const verdictsMetric = "nameward_verdicts_total"

// ParseCounters reads the verdicts from a page of metrics in the Prometheus
// text format. Counters that are zero are left out.
func ParseCounters(page io.Reader) (Counters, error) {
	families, err := parse(page)
	if err != nil {
		return nil, err
	}
	family, found := families[verdictsMetric]
	if !found {
		return nil, fmt.Errorf("parse metrics: no %s on the page", verdictsMetric)
	}
	counters := Counters{}
	for _, metric := range family.GetMetric() {
		if value := metric.GetCounter().GetValue(); value > 0 {
			counters[verdictOf(metric)] += uint64(value)
		}
	}
	return counters, nil
}

func parse(page io.Reader) (map[string]*dto.MetricFamily, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(page)
	if err != nil {
		return nil, fmt.Errorf("parse metrics: %w", err)
	}
	return families, nil
}

// ParseSum reads the sum of a counter or gauge over all its labels. What has
// not been counted yet is no metric, and none.
func ParseSum(page io.Reader, metric string) (float64, error) {
	families, err := parse(page)
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for _, m := range families[metric].GetMetric() {
		sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	return sum, nil
}

// Add adds another node's counters.
func (c Counters) Add(other Counters) {
	for verdict, packets := range other {
		c[verdict] += packets
	}
}

func verdictOf(metric *dto.Metric) Verdict {
	var v Verdict
	for _, label := range metric.GetLabel() {
		switch label.GetName() {
		case "direction":
			v.Direction = label.GetValue()
		case "verdict":
			v.Verdict = label.GetValue()
		case "tier":
			v.Tier = label.GetValue()
		case "reason":
			v.Reason = label.GetValue()
		}
	}
	return v
}

// Since returns what was counted after earlier. A counter that went down has
// started again at zero.
func (c Counters) Since(earlier Counters) Counters {
	delta := Counters{}
	for verdict, now := range c {
		before := earlier[verdict]
		if now < before {
			before = 0
		}
		if now > before {
			delta[verdict] = now - before
		}
	}
	return delta
}

// Denied is the number of dropped packets.
func (c Counters) Denied() uint64 {
	var sum uint64
	for verdict, packets := range c {
		if verdict.Denied() {
			sum += packets
		}
	}
	return sum
}

// Deciding returns the verdicts that explain a connection that was blocked, or
// one that opened: egress first, most packets first. What is dropped on its way
// out of one pod never comes to another, so that drops of egress explain a block
// alone, whatever was dropped elsewhere meanwhile.
func (c Counters) Deciding(blocked bool) []Verdict {
	var deciding []Verdict
	for verdict := range c {
		if verdict.Denied() == blocked && (blocked || verdict.Tiered()) {
			deciding = append(deciding, verdict)
		}
	}
	slices.SortFunc(deciding, func(a, b Verdict) int {
		if a.Direction != b.Direction {
			return strings.Compare(a.Direction, b.Direction)
		}
		if c[a] != c[b] {
			return int(c[b]) - int(c[a])
		}
		return strings.Compare(a.String(), b.String())
	})
	if blocked {
		later := slices.IndexFunc(deciding, func(v Verdict) bool { return v.Direction != deciding[0].Direction })
		if later > 0 {
			deciding = deciding[:later]
		}
	}
	return deciding
}

// String lists the counters for a log.
func (c Counters) String() string {
	var parts []string
	for _, verdict := range slices.SortedFunc(maps.Keys(c), func(a, b Verdict) int { return strings.Compare(a.String(), b.String()) }) {
		parts = append(parts, fmt.Sprintf("%d %s", c[verdict], verdict))
	}
	return strings.Join(parts, ", ")
}
