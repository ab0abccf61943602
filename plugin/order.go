package nameward

import (
	"fmt"
	"slices"
)

// above are the directives that must come before nameward: log and dnstap show
// what nameward lets through, health's lame duck time must end before it stops.
var above = []string{"health", "prometheus", "errors", "log", "dnstap"}

// below are the directives that must come after it, as they make or change
// answers: nameward must see what the client sees.
var below = []string{
	"local", "dns64", "siit", "any", "chaos", "loadbalance", "rewrite", "autopath", "acl", "cache", "header",
	"dnssec", "minimal", "template", "hosts", "route53", "azure", "clouddns", "k8s_external", "kubernetes",
	"file", "auto", "secondary", "etcd", "forward", "grpc", "erratic", "whoami", "nomad",
}

// checkOrder refuses a build in which nameward stands in the wrong place: it
// would start, and learn other addresses than the clients do.
func checkOrder(directives []string) error {
	own := slices.Index(directives, pluginName)
	if own < 0 {
		return fmt.Errorf("%s is not in dnsserver.Directives; insert it before local", pluginName)
	}
	for i, d := range directives {
		if i < own && slices.Contains(below, d) {
			return fmt.Errorf("this build has %s after %s; in plugin.cfg it must stand after log and dnstap and before local", pluginName, d)
		}
		if i > own && slices.Contains(above, d) {
			return fmt.Errorf("this build has %s before %s; in plugin.cfg it must stand after log and dnstap and before local", pluginName, d)
		}
	}
	return nil
}
