package convert

import (
	"fmt"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/plugin/names"
)

// namePeers gives a peer per domain name. A name can only be accepted (N8):
// what it denied would depend on what a pod has resolved.
func (r *report) namePeers(field string, all []string, action policy.Action) []policy.Peerage {
	if action != policy.ActionAccept {
		return []policy.Peerage{r.malformedPeer(field,
			fmt.Sprintf("domainNames with %s; they can be used with Accept only", action))}
	}
	out := make([]policy.Peerage, 0, len(all))
	for i, name := range all {
		pattern, err := names.Parse(name)
		if err != nil {
			out = append(out, r.malformedPeer(fmt.Sprintf("%s[%d]", field, i), err.Error()))
			continue
		}
		out = append(out, policy.Peerage{Name: pattern.String()})
	}
	return out
}
