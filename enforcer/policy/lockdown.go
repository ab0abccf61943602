package policy

// Lockdown says what becomes of a pod's queries for names that no rule of it
// names (N9). The stricter is the greater.
type Lockdown uint8

const (
	// LockdownOff answers them: a name rule alone does not filter DNS.
	LockdownOff Lockdown = iota
	// LockdownAudit answers them, and has them counted (P23).
	LockdownAudit
	// LockdownOn refuses them.
	LockdownOn
)

// locks says whether the policy locks down the pods that it selects. One that
// says nothing of egress does not; who made it has told of that.
func (p *Policy) locks() bool { return p.Lockdown && p.Egress != nil }

// lockdown gives the strictest of all policies of the pod.
func (s *selection) lockdown() Lockdown {
	strictest := LockdownOff
	for _, p := range s.policies {
		switch {
		case p.locks() && !p.Audit:
			return LockdownOn
		case p.locks():
			strictest = LockdownAudit
		}
	}
	return strictest
}

// LockedBy gives the policies that lock the pod down, those on trial where no
// other does.
func (c *Compiled) LockedBy(p *Pod) []PolicyRef {
	s := c.book.selection(p)
	ruling := s.lockdown()
	var refs []PolicyRef
	for _, policy := range s.policies {
		if policy.locks() && policy.Audit == (ruling == LockdownAudit) {
			refs = append(refs, policy.Ref)
		}
	}
	return refs
}
