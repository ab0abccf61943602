package hub

import (
	"maps"
	"slices"
	"time"
)

const (
	// expiryCheck is how often files are looked at without a handshake.
	expiryCheck = 10 * time.Minute
	// expiryNotice is how long before the end it is said, once in expiryRepeat.
	expiryNotice = 7 * 24 * time.Hour
	expiryRepeat = 24 * time.Hour
)

// due reports whether a certificate should have been renewed by now: less than
// a week is left, or, as some live for a day only, less than a quarter of its
// life. Who renews for them does so at two thirds.
func (e Expiry) due(now time.Time) bool {
	return e.Until.Sub(now) < min(expiryNotice, e.Until.Sub(e.Begins)/4)
}

// EndpointExpiry is the expiry of one file of one endpoint.
type EndpointExpiry struct {
	Endpoint Endpoint
	Expiry
}

// Expiries lists the certificates that are in force.
func (h *Hub) Expiries() []EndpointExpiry {
	h.mu.Lock()
	listeners := slices.Collect(maps.Values(h.listeners))
	h.mu.Unlock()
	var all []EndpointExpiry
	for _, l := range listeners {
		for _, e := range h.expiriesOf(l) {
			all = append(all, EndpointExpiry{l.endpoint, e})
		}
	}
	return all
}

func (h *Hub) expiriesOf(l *listener) []Expiry {
	access := l.access.Load()
	if access == nil || access.Certificates == nil {
		return nil
	}
	files, err := access.Certificates.expiries()
	if err != nil {
		h.log.Errorf("keep the last good certificates of %s: %v", l.endpoint, err)
	}
	return files
}

// watchExpiry says in time that a certificate was not renewed, until the
// listener is closed.
func (h *Hub) watchExpiry(l *listener) {
	tick := time.NewTicker(expiryCheck)
	defer tick.Stop()
	said := make(map[string]time.Time)
	for {
		h.warnOfExpiry(l, said)
		select {
		case <-l.over:
			return
		case <-tick.C:
		}
	}
}

func (h *Hub) warnOfExpiry(l *listener, said map[string]time.Time) {
	now := h.clock()
	for _, e := range h.expiriesOf(l) {
		if !e.due(now) || now.Sub(said[e.File]) < expiryRepeat {
			continue
		}
		said[e.File] = now
		if now.After(e.Until) {
			h.log.Errorf("the certificate %s of %s has expired at %s; enforcers cannot connect until the file is renewed", e.File, l.endpoint, e.Until.Format(time.RFC3339))
			continue
		}
		h.log.Warningf("the certificate %s of %s expires at %s; want it renewed by now", e.File, l.endpoint, e.Until.Format(time.RFC3339))
	}
}
