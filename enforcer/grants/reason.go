package grants

import "fmt"

// Reason says why an address was refused.
type Reason uint8

const (
	// ReasonUnknown is no reason anybody gave.
	ReasonUnknown Reason = iota
	ReasonInvalid
	ReasonUnspecified
	ReasonLoopback
	ReasonLinkLocal
	ReasonMetadata
	ReasonMulticast
	ReasonNode
	ReasonPod
	ReasonService
	ReasonPrivate
	ReasonShared
	ReasonUniqueLocal
	ReasonReserved
	ReasonNameLimit
	ReasonPodLimit
	reasons
)

var reasonWords = [reasons]struct{ label, text string }{
	ReasonUnknown:     {"unknown", "refused for an unknown reason"},
	ReasonInvalid:     {"invalid", "no address"},
	ReasonUnspecified: {"unspecified", "an unspecified address, which leads to the pod itself"},
	ReasonLoopback:    {"loopback", "a loopback address"},
	ReasonLinkLocal:   {"link_local", "a link-local address"},
	ReasonMetadata:    {"metadata", "a cloud metadata address"},
	ReasonMulticast:   {"multicast", "a multicast or broadcast address"},
	ReasonNode:        {"node", "the address of a node"},
	ReasonPod:         {"pod", "the address of a pod"},
	ReasonService:     {"service", "the address of a Service"},
	ReasonPrivate:     {"private", "a private address (RFC 1918)"},
	ReasonShared:      {"shared", "a carrier-grade NAT address (RFC 6598)"},
	ReasonUniqueLocal: {"unique_local", "a unique local address (RFC 4193)"},
	ReasonReserved:    {"reserved", "a reserved address"},
	ReasonNameLimit:   {"name_limit", "over the limit of addresses of one name"},
	ReasonPodLimit:    {"pod_limit", "over the limit of addresses of one pod"},
}

// Reasons returns every reason, so that metrics can start at zero.
func Reasons() []Reason {
	out := make([]Reason, 0, reasons)
	for r := range reasons {
		out = append(out, r)
	}
	return out
}

// String is a label of metrics.
func (r Reason) String() string { return r.words().label }

// Text is a phrase for people, to follow "is".
func (r Reason) Text() string { return r.words().text }

func (r Reason) words() struct{ label, text string } {
	if r >= reasons {
		r = ReasonUnknown
	}
	return reasonWords[r]
}

// Cause says why an entry ended.
type Cause uint8

const (
	// CauseUnknown is no cause anybody gave.
	CauseUnknown Cause = iota
	// CauseExpired: its time is over.
	CauseExpired
	// CauseUnwanted: no pattern of the pod admits it, or the pod is gone.
	CauseUnwanted
	// CauseEvicted: it made room (N15).
	CauseEvicted
	// CauseGuarded: the guard refuses it (N10).
	CauseGuarded
)

// String is a label of metrics.
func (c Cause) String() string {
	switch c {
	case CauseUnknown:
		return "unknown"
	case CauseExpired:
		return "expired"
	case CauseUnwanted:
		return "unwanted"
	case CauseEvicted:
		return "evicted"
	case CauseGuarded:
		return "guarded"
	}
	return fmt.Sprintf("cause_%d", uint8(c))
}
