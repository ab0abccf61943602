package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/nameward/nameward/hack/demo/scene"
)

// metricsPage is where the CoreDNS that holds answers shows what it counts.
const metricsPage = "http://127.0.0.1:9153/metrics"

// metricsClient asks from inside the network namespace.
func metricsClient(n *scene.Netspace) *http.Client {
	dial := func(ctx context.Context, network, address string) (c net.Conn, err error) {
		err = n.Do(func() error {
			c, err = new(net.Dialer).DialContext(ctx, network, address)
			return err
		})
		return c, err
	}
	return &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
}

// held is how many answers have waited for the enforcer so far.
func (r *rivals) held(ctx context.Context) (float64, error) {
	return r.metric(ctx, "coredns_nameward_held_answers_total")
}

// watched is no error once the enforcer has said whom it watches.
func (r *rivals) watched(ctx context.Context) error {
	clients, err := r.metric(ctx, "coredns_nameward_watched_clients")
	if err == nil && clients == 0 {
		err = errors.New("CoreDNS watches no client")
	}
	return err
}

func (r *rivals) metric(ctx context.Context, name string) (float64, error) {
	return readMetric(ctx, r.metrics, metricsPage, name)
}

// readMetric sums up one metric of a page.
func readMetric(ctx context.Context, web *http.Client, page, name string) (float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return 0, err
	}
	response, err := web.Do(request)
	if err != nil {
		return 0, fmt.Errorf("read metrics: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("read metrics: %s", response.Status)
	}
	return sumMetric(response.Body, name)
}

// sumMetric adds up a counter or gauge over all its labels. One that is not on
// the page has not counted yet.
func sumMetric(page io.Reader, name string) (sum float64, _ error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(page)
	if err != nil {
		return 0, fmt.Errorf("parse metrics: %w", err)
	}
	for _, metric := range families[name].GetMetric() {
		sum += metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
	}
	return sum, nil
}
