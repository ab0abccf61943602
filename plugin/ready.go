package nameward

// Ready implements the ready.Readiness interface: a replica that enforcers
// cannot reach must not get clients, as nobody would learn of their answers.
func (n *Nameward) Ready() bool { return n.instance.serving() }
