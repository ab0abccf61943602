// Package nameward is the CoreDNS plugin: it sees each answer as the client is
// about to get it, tells the enforcer of the client's node which addresses a
// watched client learns, and holds the answer until the kernel knows them.
//
// It knows DNS and CoreDNS. It must not know eBPF, Kubernetes or policies: what
// to watch is what enforcers ask for over plugin/stream.
package nameward

import (
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/autopath"
	clog "github.com/coredns/coredns/plugin/pkg/log"

	"github.com/nameward/nameward/plugin/internal/hub"
)

const pluginName = "nameward"

var log = clog.NewWithPlugin(pluginName)

// process outlives every instance of the plugin, so that a reload of the
// Corefile ends no stream and forgets no answer.
var process = hub.New(time.Now, log)

func init() { plugin.Register(pluginName, setup) }

func setup(c *caddy.Controller) error {
	if err := checkOrder(dnsserver.Directives); err != nil {
		return plugin.Error(pluginName, err)
	}
	s, err := parse(c)
	if err != nil {
		return plugin.Error(pluginName, err)
	}
	i := instanceOf(c)
	if err := i.add(s); err != nil {
		return plugin.Error(pluginName, c.Err(err.Error()))
	}
	config := dnsserver.GetConfig(c)
	config.AddPlugin(func(next plugin.Handler) plugin.Handler {
		n := &Nameward{
			Next:         next,
			hold:         s.hold,
			servfail:     s.servfail,
			cnameTargets: s.cnameTargets,
			lockdown:     s.lockdown,
			hub:          process,
			instance:     i,
		}
		// Chains are made from their end, so what stands below is there.
		if a, ok := config.Handler("autopath").(*autopath.AutoPath); ok {
			n.searchZones = a.Zones
			n.fenceAutopath(a)
		}
		return n
	})
	return nil
}
