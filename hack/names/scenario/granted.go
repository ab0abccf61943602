package scenario

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/cilium/ebpf"

	"github.com/nameward/nameward/bpf"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/hack/demo/scene"
)

// granted reads from the kernel what a pod may reach by name, and until when on
// CLOCK_MONOTONIC.
func granted(pins string, pod *scene.Pod) (map[netip.Addr]time.Duration, error) {
	id := policy.EndpointOf(pod.UID())
	path := filepath.Join(pins, "pods", fmt.Sprintf("%016x", uint64(id)), "grants")
	table, err := ebpf.LoadPinnedMap(path, &ebpf.LoadPinOptions{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("open grants of pod %s: %w", pod, err)
	}
	defer table.Close()
	all := make(map[netip.Addr]time.Duration)
	var key bpf.KernelAddress
	var grant bpf.KernelGrant
	entries := table.Iterate()
	for entries.Next(&key, &grant) {
		all[netip.AddrFrom16(key.Byte).Unmap()] = time.Duration(grant.Expires)
	}
	if err := entries.Err(); err != nil {
		return nil, fmt.Errorf("read grants of pod %s: %w", pod, err)
	}
	return all, nil
}
