package dns

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"
)

// State is what one session is doing.
type State struct {
	// Target is the configured target that the session serves.
	Target Target
	// Address is what it dials; "" where a host name has no address.
	Address   string
	Connected bool
	// Instance names the CoreDNS process where connected.
	Instance string
	// Err is why it is not connected; nil while the first attempt is under way.
	Err error
}

var errNoAddress = errors.New("host name has no address")

// States lists every session, and every target that has none, in a stable
// order.
func (c *Client) States() []State {
	c.mu.Lock()
	states := make([]State, 0, len(c.sessions)+len(c.lookups))
	for s := range c.sessions {
		states = append(states, s.State())
	}
	for t, err := range c.lookups {
		states = append(states, State{Target: t, Err: err})
	}
	c.mu.Unlock()
	slices.SortFunc(states, func(a, b State) int {
		return cmp.Or(cmp.Compare(a.Target.String(), b.Target.String()), cmp.Compare(a.Address, b.Address))
	})
	return states
}

// resolved notes the outcome of a look-up. While a target has sessions, a
// failed look-up is not worth more than a log line.
func (c *Client) resolved(t Target, addrs []netip.Addr, err error) {
	if err == nil && len(addrs) == 0 {
		err = errNoAddress
	}
	if err != nil {
		c.cfg.Log.Warn("cannot resolve CoreDNS", "target", t.String(), "error", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.lookups, t)
	if err == nil {
		return
	}
	for s := range c.sessions {
		if s.target == t {
			return
		}
	}
	c.lookups[t] = err
}
