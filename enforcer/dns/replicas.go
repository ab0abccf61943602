package dns

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// follow keeps a session with everything behind one target until ctx ends.
func (c *Client) follow(ctx context.Context, t Target) {
	if t.Unix() {
		c.session(t, t.path).run(ctx)
		return
	}
	if _, err := netip.ParseAddr(t.host); err == nil {
		c.session(t, net.JoinHostPort(t.host, t.port)).run(ctx)
		return
	}
	r := replicas{client: c, target: t, running: make(map[netip.Addr]*replica)}
	defer r.all.Wait()
	tick := time.NewTicker(c.cfg.Refresh)
	defer tick.Stop()
	for {
		moved := c.move() // before the look, so that none is missed
		r.refresh(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-moved:
		}
	}
}

// replicas are the sessions of one host name or Service: one with every address behind
// it, because any replica may answer a pod (SEMANTICS N13).
type replicas struct {
	client  *Client
	target  Target
	running map[netip.Addr]*replica
	all     sync.WaitGroup
}

type replica struct {
	session *session
	end     context.CancelFunc
}

// refresh resolves the name, starts sessions with new addresses and ends those
// whose address is gone. A connected session outlives its address: a replica
// that leaves the Service goes on answering for a while. A failed look-up
// changes nothing.
func (r *replicas) refresh(ctx context.Context) {
	all, err := r.lookup(ctx)
	if ctx.Err() != nil {
		return
	}
	addrs := oneFamily(all)
	r.client.resolved(r.target, addrs, err)
	if err != nil {
		return
	}
	for addr, known := range r.running {
		switch {
		case slices.Contains(addrs, addr):
			continue
		case !known.session.State().Connected:
			known.end()
		case slices.ContainsFunc(all, func(a netip.Addr) bool { return a.Unmap() == addr }) && r.connected(addrs):
			// Of the other family, which came first: slices of Services do one by one.
			time.AfterFunc(r.client.cfg.handover, known.end)
		default:
			continue
		}
		delete(r.running, addr)
	}
	for _, addr := range addrs {
		if _, known := r.running[addr]; known {
			continue
		}
		sctx, end := context.WithCancel(ctx)
		s := r.client.session(r.target, net.JoinHostPort(addr.String(), r.target.port))
		r.running[addr] = &replica{session: s, end: end}
		r.all.Go(func() { s.run(sctx) })
	}
}

// connected says whether there is a session with each of them.
func (r *replicas) connected(addrs []netip.Addr) bool {
	for _, a := range addrs {
		if known := r.running[a]; known == nil || !known.session.State().Connected {
			return false
		}
	}
	return true
}

func (r *replicas) lookup(ctx context.Context) ([]netip.Addr, error) {
	if r.target.Service() {
		return r.client.cfg.Endpoints(r.target.namespace, r.target.service)
	}
	return r.client.cfg.Lookup(ctx, r.target.host)
}

// oneFamily keeps the IPv4 addresses where there are any: a dual-stack replica
// has one of each, and two sessions with one process say everything twice.
func oneFamily(addrs []netip.Addr) []netip.Addr {
	var v4, v6 []netip.Addr
	for _, a := range addrs {
		if a = a.Unmap(); a.Is4() {
			v4 = append(v4, a)
		} else {
			v6 = append(v6, a)
		}
	}
	if len(v4) > 0 {
		return v4
	}
	return v6
}
