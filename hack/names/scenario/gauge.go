package scenario

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/nameward/nameward/hack/demo/product"
)

// reading is what the programs count, as of one moment.
type reading struct {
	denied uint64
	series map[string]float64
}

func (w *world) gauge(ctx context.Context) (reading, error) {
	r := reading{series: make(map[string]float64)}
	for _, address := range []string{product.MetricsAddress, clusterMetrics, besideMetrics} {
		page, err := w.product.Metrics(ctx, address)
		if err != nil {
			return r, fmt.Errorf("read metrics: %w", err)
		}
		for line := range strings.Lines(string(page)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			if n, err := strconv.ParseFloat(value, 64); err == nil {
				r.series[name] += n
			}
		}
		if address != product.MetricsAddress {
			continue
		}
		counters, err := product.ParseCounters(bytes.NewReader(page))
		if err != nil {
			return r, err
		}
		r.denied = counters.Denied()
	}
	return r, nil
}

// grown sums up how much the series that begin so have grown.
func (r reading) grown(since reading, prefix string) float64 {
	sum := 0.0
	for name, value := range r.series {
		if strings.HasPrefix(name, prefix) {
			sum += value - since.series[name]
		}
	}
	return sum
}

// count compares the kernel's counters with the SYNs, and gives each row its
// own of the programs' counters.
func (r *run) count(before, after reading) {
	lost := r.strange
	for _, res := range r.results {
		lost += res.lost
	}
	if got := after.denied - before.denied; got != lost {
		r.failures = append(r.failures, fmt.Sprintf(
			"packets that the kernel counts as denied: got %d, want one for each of the %d SYNs that were dropped", got, lost))
	}
	sharing := make(map[string]float64)
	for _, row := range r.rows {
		for _, prefix := range row.Counts {
			sharing[prefix]++
		}
	}
	for i, row := range r.rows {
		r.results[i].counted = make(map[string]float64)
		for _, prefix := range row.Counts {
			r.results[i].counted[prefix] = after.grown(before, prefix) / sharing[prefix]
		}
	}
}
