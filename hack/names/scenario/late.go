package scenario

import (
	"context"
	"fmt"
	"net/netip"
	"time"
)

// late are policies that come after the pod has looked up what they allow (N12):
// nobody asks again, and the first SYN that the pod sends then has to pass.
var late = []struct {
	says, file, policy string
	row                string // whose name and dropped address they allow
	address            string
}{
	{"a rule for a name that was looked up before", "2-late.yaml", lateRule, "www." + foreign, "{1}"},
	{"leave to be granted a private address that was refused before", "3-private.yaml", latePrivate, "private-10", "10.1.2.3"},
}

const (
	lateRule = `apiVersion: networking.k8s.aws/v1alpha1
kind: ApplicationNetworkPolicy
metadata:
  name: late
  namespace: crawl
  annotations: {nameward.io/min-ttl: 0s}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to: [{domainNames: ["www.elsewhere.example"]}]
`
	latePrivate = `apiVersion: networking.k8s.aws/v1alpha1
kind: ApplicationNetworkPolicy
metadata:
  name: private
  namespace: crawl
  annotations: {nameward.io/min-ttl: 0s, nameward.io/allow-private: "10.1.2.0/24"}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to: [{domainNames: ["private-10.fault.example"]}]
`
)

// latePatience is how long a grant may take that nobody waits for.
const latePatience = 5 * time.Second

// comeLate applies the late policies, one after the other.
func (r *run) comeLate(ctx context.Context) error {
	for _, l := range late {
		for i, row := range r.rows {
			if fqdn(row.Name) != fqdn(l.row) {
				continue
			}
			if err := r.world.product.Apply(l.file, []byte(l.policy)); err != nil {
				return err
			}
			wrong, err := r.afterwards(ctx, addresses(i, l.address)[0], r.results[i].answered)
			if err != nil {
				return err
			}
			for _, w := range wrong {
				r.failures = append(r.failures, fmt.Sprintf("N12: %s: %s", l.says, w))
			}
		}
	}
	return nil
}

// afterwards waits for the grant and sends one SYN of the pod that has asked,
// and one of the pod that has not.
func (r *run) afterwards(ctx context.Context, addr netip.Addr, answered time.Duration) (wrong []string, err error) {
	pods := r.world.scene.Pods
	expires, err := r.awaitGrant(ctx, addr)
	if err != nil {
		return nil, err
	}
	if expires == 0 {
		return []string{fmt.Sprintf("grant of %s: got none within %s, want it from the journal", addr, latePatience)}, nil
	}
	// What is left of the TTL, in whole seconds, and the grace: the policies have
	// no least TTL, and the chain's cache makes 30 s of all.
	if most := answered + 30*time.Second + grace + time.Second; expires > most {
		wrong = append(wrong, fmt.Sprintf("grant of %s: ends %s after the answer, want %s at most", addr, expires-answered, most-answered))
	}
	for pod, want := range map[string]fate{"crawler": passed, "crawler2": dropped} {
		netspace := pods.Crawler.Netspace()
		if want == dropped {
			netspace = pods.Crawler2.Netspace()
		}
		var s shots
		if err := netspace.Do(func() (err error) {
			s, err = syn([]netip.Addr{addr})
			return err
		}); err != nil {
			return nil, err
		}
		if got := s.fates[addr]; got != want {
			wrong = append(wrong, fmt.Sprintf("first SYN of %s to %s: got %s, want %s", pod, addr, got, want))
		}
	}
	return wrong, nil
}

// awaitGrant returns when the grant ends, 0 if there is none in time.
func (r *run) awaitGrant(ctx context.Context, addr netip.Addr) (time.Duration, error) {
	bound := time.After(latePatience)
	for {
		own, err := granted(r.world.product.Pins(), r.world.scene.Pods.Crawler)
		if err != nil || own[addr] != 0 {
			return own[addr], err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-bound:
			return 0, nil
		case <-time.After(10 * time.Millisecond):
		}
	}
}
