package policy

// Verdict is what happens to a packet. The zero value denies.
type Verdict uint8

const (
	VerdictUnknown Verdict = iota
	Deny
	Allow
)

// String gives the label of v in metrics and logs.
func (v Verdict) String() string {
	switch v {
	case Deny:
		return "deny"
	case Allow:
		return "allow"
	default:
		return "unknown"
	}
}

// Action is what a rule does with what it matches. The values are the low two
// bits of a Precedence.
type Action uint8

const (
	ActionUnknown Action = iota
	ActionAccept
	ActionDeny
	// ActionPass skips the rest of the tier (P3).
	ActionPass
)

// String spells a as the policy APIs do.
func (a Action) String() string {
	switch a {
	case ActionAccept:
		return "Accept"
	case ActionDeny:
		return "Deny"
	case ActionPass:
		return "Pass"
	default:
		return "Unknown"
	}
}

// Direction is seen from the pod: into it or out of it.
type Direction uint8

const (
	DirectionUnknown Direction = iota
	Ingress
	Egress
)

// String gives the label of d in metrics and logs.
func (d Direction) String() string {
	switch d {
	case Ingress:
		return "ingress"
	case Egress:
		return "egress"
	default:
		return "unknown"
	}
}

// Tier is one stage of the evaluation, in order of evaluation (P2).
type Tier uint8

const (
	TierUnknown Tier = iota
	TierAdmin
	TierNetworkPolicy
	TierBaseline
	// TierDefault is the node default, which decides where no tier does (P7).
	TierDefault
)

// String gives the label of t in metrics and logs.
func (t Tier) String() string {
	switch t {
	case TierAdmin:
		return "admin"
	case TierNetworkPolicy:
		return "networkpolicy"
	case TierBaseline:
		return "baseline"
	case TierDefault:
		return "default"
	default:
		return "unknown"
	}
}

// ClosedIndex is the index of a Precedence that no rule brought: two sets
// share one content hash, and what they would decide is denied instead. It is
// smaller than every rule's index, so that it beats them all.
const ClosedIndex uint32 = 0

// NewPrecedence is the precedence of the rule at index, counted from 1 within
// its tier (see ClosedIndex), at most 1<<30 - 2.
func NewPrecedence(index uint32, action Action) Precedence {
	return Precedence(index<<2 | uint32(action))
}

// Index is the place of the rule within its tier. It means nothing for NoRule.
func (p Precedence) Index() uint32 { return uint32(p) >> 2 }

// Action is what the rule does. NoRule passes: a tier in which nothing matches
// leaves the decision to the next one.
func (p Precedence) Action() Action { return Action(p & 3) }
