package policy

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func lockingDown(p Policy) Policy {
	p.Lockdown = true
	return p
}

// N9, P23: who locks a pod down.
func TestLockdown(t *testing.T) {
	named := network("named", accept(name("example.com")))
	ingress := network("ingress")
	ingress.Ingress, ingress.Egress = &Section{}, nil
	elsewhere := network("elsewhere")
	elsewhere.Subject.Namespace = "lab"
	for _, c := range []struct {
		sentence string
		policies []Policy
		want     Lockdown
		by       []string
	}{
		{"a name rule alone locks nothing down", []Policy{named}, LockdownOff, nil},
		{"a policy with the annotation does", []Policy{named, lockingDown(network("np"))}, LockdownOn, []string{"np"}},
		{"a policy without names does as well", []Policy{lockingDown(network("np"))}, LockdownOn, []string{"np"}},
		{"of the Admin tier too", []Policy{lockingDown(cluster(TierAdmin, 1, "cnp", deny()))}, LockdownOn, []string{"cnp"}},
		{"of the Baseline tier too", []Policy{lockingDown(cluster(TierBaseline, 1, "cnp", deny()))}, LockdownOn, []string{"cnp"}},
		{"one that only a malformed rule is in does", []Policy{lockingDown(network("np", accept(Peerage{Malformed: "odd"})))}, LockdownOn, []string{"np"}},
		{"one for ingress does not", []Policy{lockingDown(ingress)}, LockdownOff, nil},
		{"one for other pods does not", []Policy{lockingDown(elsewhere)}, LockdownOff, nil},
		{"one on trial is counted", []Policy{onTrial(lockingDown(named))}, LockdownAudit, []string{"named"}},
		{"one in force beside one on trial refuses", []Policy{onTrial(lockingDown(named)), lockingDown(network("np"))}, LockdownOn, []string{"np"}},
		{"all that do are named", []Policy{lockingDown(named), lockingDown(network("np"))}, LockdownOn, []string{"named", "np"}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			w := scene(c.policies...)
			compiled := Compile(w)
			if got := compiled.Tables.Endpoints[EndpointOf("web")].Lockdown; got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
			at := slices.IndexFunc(w.Pods, func(p *Pod) bool { return p.Ref.UID == "web" })
			var by []string
			for _, ref := range compiled.LockedBy(w.Pods[at]) {
				by = append(by, ref.Name)
			}
			if !slices.Equal(by, c.by) {
				t.Errorf("locked by %v, want %v", by, c.by)
			}
		})
	}
}

// N9: lockdown is not a matter of packets: with it and without, the tables are
// the same but for what they say of DNS.
func TestLockdownChangesNoVerdict(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		free := *w
		free.Policies = nil
		for _, p := range w.Policies {
			other := *p
			other.Lockdown = false
			free.Policies = append(free.Policies, &other)
		}
		got := Compile(w)
		for id, e := range got.Tables.Endpoints {
			e.Lockdown = LockdownOff
			got.Tables.Endpoints[id] = e
		}
		same(t, got, Compile(&free))
	})
}
