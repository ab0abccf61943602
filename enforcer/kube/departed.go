package kube

import (
	"net/netip"
	"slices"

	"github.com/nameward/nameward/enforcer/policy"
)

// departed are the pods that slices still name and whose addresses are theirs no
// more: a pod that is deleted or finished leaves its peers at once (P16), while
// its EndpointSlice follows when its controller gets to it. Until then nobody
// has the address, so no policy allows it, and the whole Service would be denied
// for a backend that nothing can reach (P22).
//
// Such an address is no backend. Everything else that a slice names stays one,
// since whoever may write a slice may name any pod beside any address:
//   - an address that the pod never had, by what the API server said of it;
//   - an address that another pod has by now: that is whom the service proxy
//     leads to until the slice changes, so the other pod is judged;
//   - a pod whose address has not come yet. It has no class, which closes the
//     Service until the pod comes; see early;
//   - a hostNetwork pod, whose address is its node's and stays (P17).
//
// It keeps nothing of pods that no slice names.
type departed struct {
	// named are the slices that name a pod.
	named map[policy.EndpointID][]*endpoints
	// left are the addresses that pods had which are named.
	left map[policy.EndpointID][]netip.Addr
	// early are addresses that slices gave to pods before the pods came, since
	// the last snapshot. A kubelet tells of address and readiness in one go where
	// there is no probe, so in rollouts the stream of slices often is the first
	// by a moment. The next snapshot is put off for them, but not for long: it
	// is as if all streams were as slow as that of pods. No slice is held back
	// by itself, and whoever makes pods up closes his own Service.
	early map[netip.Addr]struct{}
	// stale gets the Services for which it matters.
	stale map[key]bool
}

func newDeparted(stale map[key]bool) *departed {
	return &departed{named: map[policy.EndpointID][]*endpoints{}, left: map[policy.EndpointID][]netip.Addr{}, early: map[netip.Addr]struct{}{}, stale: stale}
}

// enlist takes note of whom a slice names.
func (d *departed) enlist(e *endpoints, pods *pods) {
	for pod, a := range e.Pods() {
		if !pods.has(a) && !slices.Contains(d.left[pod], a) {
			d.early[a] = struct{}{}
		}
		if !slices.Contains(d.named[pod], e) {
			d.named[pod] = append(d.named[pod], e)
		}
	}
}

// delist forgets a slice, and pods that no other names.
func (d *departed) delist(e *endpoints) {
	for pod := range e.Pods() {
		d.named[pod] = slices.DeleteFunc(d.named[pod], func(other *endpoints) bool { return other == e })
		if len(d.named[pod]) == 0 {
			delete(d.named, pod)
			delete(d.left, pod)
		}
	}
}

// leave takes note that a pod has its addresses no more, and says whether a
// Service is stale for it.
func (d *departed) leave(p *pod) bool {
	if !p.hasAddress() {
		return false
	}
	behind := d.contest(p.Addresses)
	if len(d.named[p.id]) == 0 || len(p.Addresses) == 0 {
		return behind
	}
	for _, a := range p.Addresses {
		if !slices.Contains(d.left[p.id], a) {
			d.left[p.id] = append(d.left[p.id], a)
		}
	}
	d.touch(p.id)
	return true
}

// arrive takes note that a pod has its addresses, and says as leave does.
func (d *departed) arrive(p *pod) bool {
	if !p.hasAddress() {
		return false
	}
	for _, a := range p.Addresses {
		delete(d.early, a)
	}
	behind := d.contest(p.Addresses)
	if left := d.left[p.id]; left != nil {
		left = slices.DeleteFunc(left, func(a netip.Addr) bool { return slices.Contains(p.Addresses, a) })
		if d.left[p.id] = left; len(left) == 0 {
			delete(d.left, p.id)
		}
	}
	return behind
}

// replace takes note that a pod is another one now, or has other addresses.
func (d *departed) replace(old, now *pod) bool {
	if old.id == now.id && slices.Equal(old.Addresses, now.Addresses) {
		return false
	}
	left, came := d.leave(old), d.arrive(now)
	return left || came
}

// contest makes stale the Services for which it matters who has addresses. Few
// pods have left while slices name them, and not for long.
func (d *departed) contest(addresses []netip.Addr) (any bool) {
	for pod, left := range d.left {
		if slices.ContainsFunc(left, func(a netip.Addr) bool { return slices.Contains(addresses, a) }) {
			d.touch(pod)
			any = true
		}
	}
	return any
}

func (d *departed) touch(pod policy.EndpointID) {
	for _, e := range d.named[pod] {
		if of := e.service(); of.name != "" {
			d.stale[of] = true
		}
	}
}

// deserted says whether a pod had the address and nobody has it now.
func (d *departed) deserted(pod policy.EndpointID, a netip.Addr, pods *pods) bool {
	return slices.Contains(d.left[pod], a) && !pods.has(a)
}
