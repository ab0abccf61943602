package main

import (
	"math"
	"strings"
	"testing"
)

func TestSample(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i) // 100 to 1
	}
	for _, c := range []struct {
		sentence  string
		got, want float64
	}{
		{"the middle of three", median([]float64{9, 1, 5}), 5},
		{"between the middle two of four", median([]float64{4, 1, 3, 2}), 2.5},
		{"p99 of a hundred is the second largest", quantile(hundred, 0.99), 99},
		{"p100 is the largest", quantile(hundred, 1), 100},
		{"p0 is the smallest", quantile(hundred, 0), 1},
		{"p99 of one is that one", quantile([]float64{7}, 0.99), 7},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			if c.got != c.want {
				t.Errorf("value: got %v, want %v", c.got, c.want)
			}
		})
	}
	if hundred[0] != 100 {
		t.Error("the sample's order: got changed, want left alone")
	}
	if got := []float64{median(nil), quantile(nil, 0.5)}; !math.IsNaN(got[0]) || !math.IsNaN(got[1]) {
		t.Errorf("an empty sample: got %v, want no number", got)
	}
}

func TestSumMetric(t *testing.T) {
	const page = `# TYPE coredns_nameward_held_answers_total counter
coredns_nameward_held_answers_total{server="dns://10.100.0.10:53"} 40
coredns_nameward_held_answers_total{server="dns://[fd00::a]:53"} 2
# TYPE coredns_nameward_watched_clients gauge
coredns_nameward_watched_clients 2
`
	for name, want := range map[string]float64{
		"coredns_nameward_held_answers_total":  42,
		"coredns_nameward_watched_clients":     2,
		"coredns_nameward_hold_timeouts_total": 0,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := sumMetric(strings.NewReader(page), name)
			if err != nil || got != want {
				t.Errorf("sum: got %v, %v, want %v", got, err, want)
			}
		})
	}
	if _, err := sumMetric(strings.NewReader("<html>"), "any"); err == nil {
		t.Error("what is no page of metrics: got no error, want one")
	}
}
