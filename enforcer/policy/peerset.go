package policy

import (
	"bytes"
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
)

// peerSet is everything one rule says about its peers, names aside. Classes
// are made of these and not of single selectors: addresses that no rule tells
// apart share a class, so a block list of 20,000 CIDRs makes one class, not
// 20,000.
type peerSet struct {
	digest digest
	pods   []*podSelector
	// port, if set, keeps only those pods that have it (P10).
	port  *NamedPort
	nodes []labels.Selector
	// blocks have their holes inside the CIDR, and match something.
	blocks []Block
	hosts  []netip.Addr
}

func (s *peerSet) empty() bool {
	return len(s.pods)+len(s.nodes)+len(s.blocks)+len(s.hosts) == 0
}

// podSelector is a PodSelector that knows its rendering.
type podSelector struct {
	digest           digest
	namespace        string
	namespaces, pods labels.Selector
}

func newPodSelector(s *PodSelector) *podSelector {
	return &podSelector{
		digest: newRendering("pods").text(s.Namespace).
			text(renderSelector(s.Namespaces)).text(renderSelector(s.Pods)).sum(),
		namespace: s.Namespace, namespaces: s.Namespaces, pods: s.Pods,
	}
}

// everyPod is who may have a named port where a rule has no peers.
var everyPod = newPodSelector(&PodSelector{})

// newPeerSet gathers the peers of a rule. Names have no part in it.
func newPeerSet(peers []Peerage) *peerSet {
	s := &peerSet{}
	var parts []digest
	for i := range peers {
		switch p := &peers[i]; {
		case p.Pods != nil:
			selector := newPodSelector(p.Pods)
			s.pods = append(s.pods, selector)
			parts = append(parts, selector.digest)
		case p.Nodes != nil:
			s.nodes = append(s.nodes, p.Nodes)
			parts = append(parts, newRendering("nodes").text(renderSelector(p.Nodes)).sum())
		case p.Block != nil:
			if block, matches := normalBlock(p.Block); matches {
				s.blocks = append(s.blocks, block)
				parts = append(parts, renderBlock(&block).sum())
			}
		}
	}
	s.digest = sumSet("peers", parts)
	return s
}

// withPort narrows pods to those that have the port.
func withPort(pods []*podSelector, port NamedPort) *peerSet {
	parts := make([]digest, len(pods))
	for i, p := range pods {
		parts[i] = p.digest
	}
	all := sumSet("peers", parts)
	return &peerSet{
		digest: newRendering("ported").digest(all).text(port.Name).
			number(int(port.Protocol)).number(int(port.Number)).sum(),
		pods: pods, port: &port,
	}
}

// hostSet is a set of exact addresses.
func hostSet(hosts []netip.Addr) *peerSet {
	s := &peerSet{}
	parts := make([]digest, len(hosts))
	for i, h := range hosts {
		s.hosts = append(s.hosts, plain(h))
		parts[i] = newRendering("host").text(s.hosts[i].String()).sum()
	}
	s.digest = sumSet("peers", parts)
	return s
}

// sumSet is a digest that depends neither on order nor on repetition.
func sumSet(kind string, parts []digest) digest {
	slices.SortFunc(parts, func(a, b digest) int { return bytes.Compare(a[:], b[:]) })
	parts = slices.Compact(parts)
	r := newRendering(kind)
	for _, d := range parts {
		r = r.digest(d)
	}
	return r.sum()
}

// normalBlock drops the holes that make no difference. It says no where a hole
// leaves nothing of the block.
func normalBlock(b *Block) (Block, bool) {
	out := Block{CIDR: b.CIDR.Masked()}
	for _, hole := range b.Except {
		hole = hole.Masked()
		if hole.Bits() <= out.CIDR.Bits() && hole.Overlaps(out.CIDR) {
			return Block{}, false
		}
		if hole.Overlaps(out.CIDR) {
			out.Except = append(out.Except, hole)
		}
	}
	slices.SortFunc(out.Except, netip.Prefix.Compare)
	out.Except = slices.Compact(out.Except)
	return out, true
}

func renderBlock(b *Block) rendering {
	r := renderPrefix(newRendering("block"), b.CIDR)
	for _, hole := range b.Except {
		r = renderPrefix(r, hole)
	}
	return r
}

func renderPrefix(r rendering, p netip.Prefix) rendering {
	return append(r.number(p.Addr().BitLen()).number(p.Bits()), p.Addr().AsSlice()...)
}
