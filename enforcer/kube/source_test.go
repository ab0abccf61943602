package kube

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/aws"
	"github.com/nameward/nameward/enforcer/settings"
)

const (
	space  = `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"shop","labels":{"team":"a"}}}`
	worker = `{"kind":"Node","apiVersion":"v1","metadata":{"name":"n1","labels":{"zone":"a"}},"status":{"addresses":[{"type":"InternalIP","address":"10.0.0.1"},{"type":"Hostname","address":"n1"},{"type":"InternalIP","address":"fd00::1"}]}}`
	web    = `{"kind":"NetworkPolicy","apiVersion":"networking.k8s.io/v1","metadata":{"namespace":"shop","name":"web","generation":1},"spec":{"podSelector":{},"ingress":[{"from":[{"podSelector":{}}]}]}}`
	names  = `{"kind":"ApplicationNetworkPolicy","apiVersion":"networking.k8s.aws/v1alpha1","metadata":{"namespace":"shop","name":"names","generation":1},"spec":{"podSelector":{},"policyTypes":["Egress"],"egress":[{"to":[{"domainNames":["example.com"]}]}]}}`
)

func running(name, uid, more string, ips ...string) string {
	var all []string
	for _, ip := range ips {
		all = append(all, `{"ip":"`+ip+`"}`)
	}
	return podText(name, `,"uid":"`+uid+`"`+more) + `},"spec":{"nodeName":"n1","containers":[]},"status":{"phase":"Running","podIPs":[` + strings.Join(all, ",") + `]}}`
}

// D9: nothing is handed out from half a cache, and what is missing is told.
func TestNothingBeforeEverythingIsRead(t *testing.T) {
	s := newServer(t)
	s.put(space, worker, running("a", "a", "", "10.1.0.1"))
	s.set(func() { s.refuse[paths["Pod"]] = 500 })
	f := s.follow()
	state := f.state("only pods are missing", func(s State) bool { return len(s.Troubles) == 1 })
	if state.Synced || state.Connected || state.Troubles[0].Resource != "pods" {
		t.Errorf("got %+v, want pods to be missing", state)
	}
	if len(f.heard) > 0 {
		t.Error("got a snapshot before pods were read")
	}
	s.set(func() { clear(s.refuse) })
	got := f.until("there is anything", func(*Snapshot) bool { return true })
	if len(got.Pods) != 1 || len(got.Nodes) != 1 || got.Namespaces["shop"]["team"] != "a" {
		t.Errorf("got %+v, want everything in the first snapshot", got)
	}
	f.state("all is well", func(s State) bool { return s.Connected && s.Synced && s.Err() == nil })
}

// S5: a right that is lacking is named as RBAC wants it.
func TestForbidden(t *testing.T) {
	s := newServer(t)
	s.set(func() { s.refuse[paths["ConfigMap"]] = 403; s.refuse[paths["ApplicationNetworkPolicy"]] = 403 })
	f := s.follow()
	state := f.state("two kinds are forbidden", func(s State) bool {
		return len(s.Troubles) == 2 && errors.As(s.Troubles[0].Err, new(*ForbiddenError)) && errors.As(s.Troubles[1].Err, new(*ForbiddenError))
	})
	for i, want := range []string{
		`{apiGroups: ["networking.k8s.aws"], resources: ["applicationnetworkpolicies"], verbs: ["list", "watch"]}`,
		`{apiGroups: [""], resources: ["configmaps"], resourceNames: ["nameward"], verbs: ["list", "watch"]}`,
	} {
		if got := state.Troubles[i].Err.Error(); !strings.Contains(got, want) {
			t.Errorf("got %q, want it to name %s", got, want)
		}
	}
	if len(f.heard) > 0 || state.Synced {
		t.Errorf("got snapshots without all that has to be read")
	}
	s.set(func() { clear(s.refuse) })
	f.until("the rights are there", func(*Snapshot) bool { return true })
}

// D8: with the API server away all stays as it was; afterwards what happened
// meanwhile is caught up with, without a new list.
func TestServerAway(t *testing.T) {
	s := newServer(t)
	s.put(space, worker, running("a", "a", "", "10.1.0.1"))
	f := s.follow()
	f.until("the pod is there", func(s *Snapshot) bool { return find(s, "a") != nil })
	f.state("it is connected", func(s State) bool { return s.Connected })
	s.put(strings.Replace(worker, `"zone":"a"`, `"zone":"b"`, 1)) // a watch without an event is taken for broken
	before := f.until("the watch of nodes works", func(s *Snapshot) bool { return s.Nodes[0].Labels["zone"] == "b" })
	var lists int
	s.set(func() { s.away, lists = true, s.lists[paths["Node"]] })
	lost := f.state("all kinds are away", func(s State) bool { return len(s.Troubles) == 10 })
	if lost.Connected || !lost.Synced {
		t.Errorf("got %+v, want what was read to stay", lost)
	}
	s.put(running("b", "b", "", "10.1.0.2"))
	s.remove(running("a", "a", "", "10.1.0.1"))
	f.drain()
	s.set(func() { s.away = false })
	after := f.until("both changes are there", func(s *Snapshot) bool { return find(s, "a") == nil && find(s, "b") != nil })
	if &after.Nodes[0] != &before.Nodes[0] {
		t.Error("got other nodes, want the same slice")
	}
	back := f.state("it is connected again", func(s State) bool { return s.Connected })
	if !back.Since.After(lost.Since) {
		t.Errorf("got since %v, want later than %v", back.Since, lost.Since)
	}
	s.set(func() {
		if got := s.lists[paths["Node"]]; got != lists || lists == 0 {
			t.Errorf("nodes were listed %d times, want %d as before", got, lists)
		}
	})
}

// A watch that the server cannot continue begins anew, and what went meanwhile
// is gone.
func TestGone(t *testing.T) {
	s := newServer(t)
	s.put(space, running("a", "a", "", "10.1.0.1"), running("b", "b", "", "10.1.0.2"))
	f := s.follow()
	before := f.until("the pods are there", func(s *Snapshot) bool { return len(s.Pods) == 2 })
	s.set(func() {
		delete(s.kinds[paths["Pod"]], "shop/b")
		clear(s.log)
		s.revision += 10
		s.oldest = s.revision
		s.cut++
	})
	after := f.until("the other pod is gone", func(s *Snapshot) bool { return find(s, "b") == nil })
	if find(after, "a") != find(before, "a") {
		t.Error("got another pointer for the pod that stayed")
	}
}

// P1: kinds that the cluster lacks are fine, come when they are defined, and go
// only when the server itself says that they are no more.
func TestKindComesAndGoes(t *testing.T) {
	s := newServer(t)
	path := paths["ApplicationNetworkPolicy"]
	s.set(func() {
		for _, of := range []string{path, paths["networking.k8s.aws/v1alpha1"], paths["policy.networking.k8s.io/v1alpha2"]} {
			delete(s.kinds, of)
		}
	})
	s.put(space, web)
	f := s.follow()
	f.until("there is the other policy", func(s *Snapshot) bool { return len(s.Policies) == 1 })
	f.state("nothing is amiss", func(s State) bool { return s.Connected })
	s.set(func() { s.kinds[path] = map[string]map[string]any{} })
	s.put(names)
	f.until("the policy has come", func(s *Snapshot) bool { return len(s.Policies) == 2 })

	s.set(func() { s.refuse[path] = 404; s.cut++ })
	f.state("the server contradicts itself", func(s State) bool {
		return len(s.Troubles) == 1 && strings.Contains(s.Troubles[0].Err.Error(), "which it says that it has")
	})
	f.drain()
	s.put(running("a", "a", "", "10.1.0.1"))
	if got := f.until("a pod has come", func(s *Snapshot) bool { return find(s, "a") != nil }); len(got.Policies) != 2 {
		t.Errorf("got %d policies while the server contradicts itself, want both", len(got.Policies))
	}
	s.set(func() { clear(s.refuse); delete(s.kinds, path); s.cut++ })
	f.until("the policy has gone with its kind", func(s *Snapshot) bool { return len(s.Policies) == 1 })
}

// P14, P20: a node has every address of its object, of both families.
func TestNodes(t *testing.T) {
	s := newServer(t)
	s.put(worker)
	f := s.follow()
	got := f.until("there is a node", func(s *Snapshot) bool { return len(s.Nodes) == 1 })
	want := []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")}
	w := got.World("n1", settings.Settings{})
	if !slices.Equal(w.Nodes[0].Addresses, want) || !slices.Equal(w.LocalAddresses, want) {
		t.Errorf("got %v and %v, want %v", w.Nodes[0].Addresses, w.LocalAddresses, want)
	}
	// P7: a label of the node sets its default; one that is none is the stricter.
	for label, verdict := range map[string]policy.Verdict{"Allow": policy.Allow, "open": policy.Deny} {
		s.put(strings.Replace(worker, `"zone":"a"`, `"nameward.io/default":"`+label+`"`, 1))
		f.until("the default is "+verdict.String(), func(s *Snapshot) bool {
			return s.Settings("n1", settings.Settings{}).Default == verdict && s.Settings("n2", settings.Settings{}).Default == policy.VerdictUnknown
		})
	}
}

// P15: what a newer API says closes its rule, and is told; nothing else is.
func TestNewerFields(t *testing.T) {
	s := newServer(t)
	s.put(space, strings.Replace(web, `{"podSelector":{}}]`, `{"podSelector":{},"zone":"a"}]},{"from":[{"podSelector":{}}]`, 1))
	f := s.follow()
	got := f.until("there is the policy", func(s *Snapshot) bool { return len(s.Policies) == 1 })
	rules := got.Policies[0].Ingress.Rules
	if len(rules) != 2 || rules[0].Peers[0].Malformed == "" || rules[1].Peers[0].Malformed != "" {
		t.Errorf("got %+v, want the first rule closed", rules)
	}
	var told []string
	for p, words := range got.Closed() {
		told = append(told, p.Field+" "+words)
	}
	if len(told) != 1 || !strings.HasPrefix(told[0], "spec.ingress[0].from[0].zone ") || len(got.Objects[0].Problems) != 1 {
		t.Errorf("got %q, want the field to be told", told)
	}
}

// P23: the annotation of a namespace puts its policies on trial, and a policy
// that nothing is said of is the same one before and after.
func TestTrial(t *testing.T) {
	s := newServer(t)
	s.put(space, web, strings.Replace(strings.ReplaceAll(web, `"shop"`, `"other"`), `"web"`, `"still"`, 1))
	f := s.follow()
	before := f.until("there are both", func(s *Snapshot) bool { return len(s.Policies) == 2 })
	s.put(strings.Replace(space, `"labels"`, `"annotations":{"nameward.io/mode":"audit"},"labels"`, 1))
	after := f.until("one is on trial", func(s *Snapshot) bool { return s.Policies[1].Audit })
	if before.Policies[0] != after.Policies[0] || after.Policies[0].Audit || before.Policies[1].Audit {
		t.Error("got the other policy changed, or the old snapshot")
	}
	if w := after.World("n1", settings.Settings{}); !w.AuditNamespaces["shop"] || w.AuditNamespaces["other"] {
		t.Errorf("got %v on trial, want shop", w.AuditNamespaces)
	}
	s.put(strings.Replace(space, `"labels"`, `"annotations":{"nameward.io/mode":"maybe"},"labels"`, 1))
	wrong := f.until("it is enforced again", func(s *Snapshot) bool { return !s.Policies[1].Audit })
	for p := range wrong.Closed() {
		if p.Policy == (policy.PolicyRef{Kind: "Namespace", Name: "shop"}) {
			return
		}
	}
	t.Error("the mode that is none was not told")
}

// A ConfigMap with a fault is told once, and the last good settings stay.
func TestSettings(t *testing.T) {
	s := newServer(t)
	configMap := func(data string) string {
		return `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"namespace":"nameward","name":"nameward"},"data":` + data + `}`
	}
	s.put(configMap(`{"default":"Allow"}`))
	f := s.follow()
	allows := func(s *Snapshot) bool { return s.Settings("n1", settings.Settings{}).Default == policy.Allow }
	f.until("the setting holds", allows)
	s.put(configMap(`{"default":"Deny","grace":"long"}`))
	// S4: an Event is found by the UID of what it regards.
	if news := f.told(); len(news.Faults) != 1 || news.Faults[0].Field != "data.grace" || news.UID != "uid-nameward/nameward" {
		t.Errorf("got %v, want one about grace, and whose it is", news)
	}
	f.until("the last good setting holds", allows)
	s.put(configMap(`{"default":"Deny"}`))
	if news := f.told(); len(news.Faults) != 0 {
		t.Errorf("got %v, want none", news)
	}
	f.until("the new setting holds", func(s *Snapshot) bool { return !allows(s) })
	if len(f.invalid) > 0 {
		t.Errorf("told again: %v", <-f.invalid)
	}
	s.remove(configMap(`{}`))
	f.until("the flags hold", func(s *Snapshot) bool {
		return s.Settings("n1", settings.Settings{}).Default == policy.VerdictUnknown
	})
}

// What changes nothing that matters makes no snapshot; what changes something
// leaves the pointers of the rest.
func TestUnchangedStays(t *testing.T) {
	s := newServer(t)
	s.put(space, web, names, running("a", "a", "", "10.1.0.1"), running("b", "b", "", "10.1.0.2"))
	f := s.follow()
	before := f.until("everything is there", func(s *Snapshot) bool { return len(s.Policies) == 2 && len(s.Pods) == 2 })
	f.state("it is connected", func(s State) bool { return s.Connected })
	f.silent(s, func() {
		s.put(strings.Replace(names, `"spec"`, `"status":{"conditions":[{"type":"Accepted","status":"True"}]},"spec"`, 1))
	})
	f.silent(s, func() {
		s.put(strings.Replace(running("a", "a", "", "10.1.0.1"), `"podIPs"`, `"qosClass":"Burstable","podIPs"`, 1))
	})
	s.put(running("b", "b", "", "10.1.0.3"))
	after := f.until("the pod has its new address", func(s *Snapshot) bool { return find(s, "b").Addresses[0].String() == "10.1.0.3" })
	if find(before, "a") != find(after, "a") || !slices.Equal(before.Policies, after.Policies) || before.Trial != after.Trial {
		t.Error("got other pointers for what has not changed")
	}
	if find(before, "b").Addresses[0].String() != "10.1.0.2" {
		t.Error("the snapshot that was handed out has changed")
	}
	s.put(strings.Replace(web, `"generation":1`, `"generation":2`, 1))
	again := f.until("the generation is new", func(s *Snapshot) bool {
		return slices.ContainsFunc(s.Objects, func(o *Object) bool { return o.Ref.Name == "web" && o.Generation == 2 })
	})
	if !slices.Equal(again.Policies, after.Policies) {
		t.Error("a policy that was written again as it was is another one")
	}
	if got := again.Revisions()["networkpolicies.networking.k8s.io"]; got != strconv.Itoa(s.now()) {
		t.Errorf("got revision %s, want %d", got, s.now())
	}
	if again.Objects[1].Ref.Group != aws.Group || again.Objects[1].UID != "uid-shop/names" {
		t.Errorf("got %+v, want the policy of AWS's kind", again.Objects[1])
	}
}

// P15: of a policy that cannot be read at all nothing is open, and it is told.
func TestClosed(t *testing.T) {
	s := newServer(t)
	s.put(space, strings.Replace(web, `"ingress"`, `"until":"2030","ingress"`, 1), strings.Replace(names, `{"podSelector":{},`, `{"podSelector":[],`, 1))
	f := s.follow()
	got := f.until("there are both", func(s *Snapshot) bool { return len(s.Policies) == 2 })
	for i, field := range []string{"spec.until", "spec.podSelector"} {
		p, problems := got.Policies[i], got.Objects[i].Problems
		section := p.Ingress
		if section == nil {
			section = p.Egress
		}
		if section == nil || section.Rules[0].Peers[0].Malformed == "" || len(problems) != 1 || problems[0].Field != field {
			t.Errorf("%v: got %+v and %v, want it closed and %s told", p.Ref, section, problems, field)
		}
	}
	if got.Policies[1].Subject.Pods != nil || got.Policies[1].Subject.Namespace != "shop" {
		t.Errorf("got %+v, want every pod of the namespace", got.Policies[1].Subject)
	}
}
