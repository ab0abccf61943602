package main

import (
	"github.com/nameward/nameward/hack/e2e/cluster"
)

// ports: a name is a different number on different pods (P10), and a Service is
// what is behind it (P22).
func ports(s *stage) error {
	ns, err := s.place("")
	if err != nil {
		return err
	}
	one := cluster.Pod{Namespace: ns, Name: "one", HTTP: 8080, Ports: map[string]int32{"web": 8080}, Labels: map[string]string{"app": "web"}}
	two := cluster.Pod{Namespace: ns, Name: "two", HTTP: 9090, Ports: map[string]int32{"web": 9090}, Labels: map[string]string{"app": "web"}}
	three := cluster.Pod{Namespace: ns, Name: "three", HTTP: 8080, Labels: map[string]string{"app": "web"}}
	client := cluster.Pod{Namespace: ns, Name: "client"}
	if err := s.Start(s.ctx, one, two, three, client); err != nil {
		return err
	}
	at := make(map[string]string)
	for _, p := range []cluster.Pod{one, two, three} {
		if at[p.Name], err = s.Address(s.ctx, p, false); err != nil {
			return err
		}
	}
	to := func(name, port string, want cluster.Outcome) route {
		return route{from: client, target: at[name] + ":" + port, as: name + ":" + port, want: want}
	}
	s.routes("no policy:", to("one", "8080", pass), to("two", "9090", pass), to("three", "8080", pass), to("two", "8080", cluster.Refused))
	err = s.Apply(s.ctx, networkPolicy(ns, "named", podLabel("pod", "client"), nil,
		[]string{"{to: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: web}]}"}))
	if err != nil {
		return err
	}
	s.routes("P10, port web:", to("one", "8080", pass), to("two", "9090", pass), to("two", "8080", drop), to("one", "9090", drop), to("three", "8080", drop))

	named, err := s.service(ns, "named", "  selector: {app: web, pod: two}\n  ports: [{port: 80, targetPort: web}]\n")
	if err != nil {
		return err
	}
	// one of the two kinds of backend is denied, so neither may be reached
	mixed, err := s.service(ns, "mixed", "  selector: {app: web}\n  ports: [{port: 80, targetPort: 8080}]\n")
	if err != nil {
		return err
	}
	s.routes("P22:", route{from: client, target: named + ":80", as: "Service with targetPort web", want: pass},
		route{from: client, target: mixed + ":80", as: "Service with a backend that is denied", want: drop})
	if err := s.Apply(s.ctx, networkPolicy(ns, "range", podLabel("pod", "client"), nil, []string{"{to: [{ipBlock: {cidr: " + mixed + "/32}}], ports: [{port: 80}]}"})); err != nil {
		return err
	}
	s.routes("P22, a CIDR covers its address:", route{from: client, target: mixed + ":80", as: "Service", want: pass},
		to("three", "8080", drop))
	return nil
}
