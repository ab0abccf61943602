package bpf

import "fmt"

// reasonText is what a reason is called in metrics and what it means to people.
// Indexed by reason; a test holds it complete.
var reasonText = [KernelReasonREASONS]struct{ label, sentence string }{
	KernelReasonREASON_UNKNOWN:           {"unknown", "the program gave no reason"},
	KernelReasonDROP_NO_ENDPOINT:         {"no-endpoint", "the interface is not known as a pod's"},
	KernelReasonDROP_NO_STATE:            {"no-state", "no room to remember the connection"},
	KernelReasonDROP_TRUNCATED:           {"truncated", "a header is cut short"},
	KernelReasonDROP_ETHERTYPE:           {"ethertype", "neither IP nor ARP"},
	KernelReasonDROP_VLAN:                {"vlan", "VLAN-tagged frame"},
	KernelReasonDROP_BAD_HEADER:          {"bad-header", "header fields contradict each other"},
	KernelReasonDROP_SOURCE_ROUTE:        {"source-route", "source-routed packet"},
	KernelReasonDROP_EXTENSION_HEADERS:   {"extension-headers", "too many IPv6 extension headers, or some inside a fragment"},
	KernelReasonDROP_MAPPED_ADDRESS:      {"mapped-address", "IPv4-mapped address in an IPv6 header"},
	KernelReasonDROP_FRAGMENT_UNKNOWN:    {"fragment-unknown", "fragment of a datagram that was not allowed or not seen"},
	KernelReasonDROP_FRAGMENT_TINY:       {"fragment-tiny", "first fragment without its transport header"},
	KernelReasonDROP_FRAGMENT_OVERLAP:    {"fragment-overlap", "fragment that would overwrite the transport header"},
	KernelReasonDROP_NEIGHBOUR:           {"neighbour", "neighbour discovery from off the link or in a router's role"},
	KernelReasonDROP_ADMIN:               {"admin-deny", "denied by a rule of the Admin tier"},
	KernelReasonDROP_NETWORK_POLICY:      {"not-allowed", "the pod is isolated and no rule allows it"},
	KernelReasonDROP_BASELINE:            {"baseline-deny", "denied by a rule of the Baseline tier"},
	KernelReasonDROP_DEFAULT:             {"default-deny", "denied by the node default"},
	KernelReasonDROP_SERVICE:             {"service", "the Service leads to more kinds of backends than can be judged"},
	KernelReasonDROP_UNKNOWN_POD:         {"unknown-pod", "no pod is known at this interface yet"},
	KernelReasonPASS_ESTABLISHED:         {"established", "part of an allowed connection"},
	KernelReasonPASS_REPLY:               {"reply", "reply of an allowed connection"},
	KernelReasonPASS_RELATED:             {"related", "ICMP error about an allowed connection"},
	KernelReasonPASS_FRAGMENT:            {"fragment", "fragment of an allowed datagram"},
	KernelReasonPASS_ARP:                 {"arp", "address resolution"},
	KernelReasonPASS_NEIGHBOUR:           {"neighbour", "neighbour discovery"},
	KernelReasonPASS_SELF:                {"self", "the pod's own address"},
	KernelReasonPASS_LOCAL_NODE:          {"local-node", "from the pod's own node"},
	KernelReasonPASS_ADMIN:               {"admin-accept", "accepted by a rule of the Admin tier"},
	KernelReasonPASS_ADMIN_NAME:          {"admin-accept-name", "accepted by a name rule of the Admin tier"},
	KernelReasonPASS_NETWORK_POLICY:      {"allowed", "allowed by a NetworkPolicy or ApplicationNetworkPolicy"},
	KernelReasonPASS_NETWORK_POLICY_NAME: {"allowed-name", "allowed by a name rule of an ApplicationNetworkPolicy"},
	KernelReasonPASS_BASELINE:            {"baseline-accept", "accepted by a rule of the Baseline tier"},
	KernelReasonPASS_BASELINE_NAME:       {"baseline-accept-name", "accepted by a name rule of the Baseline tier"},
	KernelReasonPASS_DEFAULT:             {"default-allow", "allowed by the node default"},
}

// String is the reason's label in metrics and logs.
func (r KernelReason) String() string {
	if r >= KernelReasonREASONS {
		return fmt.Sprintf("unknown(%d)", uint32(r))
	}
	return reasonText[r].label
}

// Text says the reason to people.
func (r KernelReason) Text() string {
	if r >= KernelReasonREASONS {
		return r.String()
	}
	return reasonText[r].sentence
}

// Passes says whether the packet went on. Unknown reasons do not.
func (r KernelReason) Passes() bool {
	return r >= KernelReasonPASS_ESTABLISHED && r < KernelReasonREASONS
}
