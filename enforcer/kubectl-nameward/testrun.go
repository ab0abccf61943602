package main

import (
	"fmt"
	"slices"
	"strings"
)

// outcome is what became of one test case.
type outcome struct {
	Name     string  `json:"name"`
	File     string  `json:"file"`
	Line     int     `json:"line"`
	Ok       bool    `json:"ok"`
	Expected verdict `json:"expected"`
	// Got is mixed where pairs, or ways of one pair, differ.
	Got verdict `json:"got"`
	// Failures says for each pair that is not as expected why.
	Failures []string `json:"failures,omitempty"`
	// WouldDeny says for each pair that passes, but would not if nothing were
	// on trial, why (P23).
	WouldDeny   []string `json:"wouldDeny,omitempty"`
	Connections []answer `json:"connections"`
}

// pairs gives the questions of a case: each pod of the one side with each of
// the other. A pod with itself is none, since it is never policed (P19).
func (c *cluster) pairs(t testCase) ([]question, error) {
	from, err := c.parties(t.from)
	if err != nil {
		return nil, fmt.Errorf("%s:%d: from: %w", t.file, t.from.line, err)
	}
	to, err := c.parties(t.to)
	if err != nil {
		return nil, fmt.Errorf("%s:%d: to: %w", t.file, t.to.line, err)
	}
	selected := t.from.selector != nil || t.to.selector != nil
	var all []question
	for _, f := range from {
		for _, g := range to {
			if selected && f == g {
				continue
			}
			all = append(all, question{f, target{g, t.port, t.protocol}, t.directions})
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s:%d: from and to are the same one pod", t.file, t.line)
	}
	return all, nil
}

// parties gives the pods of a selector, in the order of the manifests.
func (c *cluster) parties(s side) ([]party, error) {
	if s.selector == nil {
		return []party{s.party}, nil
	}
	var all []party
	for _, p := range c.pods {
		inside := s.selector.namespace == "" || s.selector.namespace == p.Ref.Namespace
		if inside && !p.Finished && s.selector.labels.Matches(p.Labels) {
			all = append(all, party{pod: object{p.Ref.Namespace, p.Ref.Name}})
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no pod of the manifests matches %s", s)
	}
	return all, nil
}

// test judges a case. The error is about the case, not about its outcome.
func (c *cluster) test(t testCase) (outcome, error) {
	pairs, err := c.pairs(t)
	if err != nil {
		return outcome{}, err
	}
	out := outcome{Name: t.title(), File: t.file, Line: t.line, Expected: t.expect}
	for _, q := range pairs {
		a, err := c.ask(q)
		if err != nil {
			return out, fmt.Errorf("%s:%d: %w", t.file, t.line, err)
		}
		if why := t.failure(a); why != "" {
			out.Failures = append(out.Failures, why)
		}
		if why := a.trial(); why != "" {
			out.WouldDeny = append(out.WouldDeny, a.title()+": "+why)
		}
		out.Connections = append(out.Connections, a)
	}
	out.Got = unite(out.Connections, func(a answer) verdict { return a.Verdict })
	out.Ok = len(out.Failures) == 0
	return out, nil
}

func (t testCase) title() string {
	if t.name != "" {
		return t.name
	}
	title := answer{From: t.from.String(), To: t.to.String(), Protocol: t.protocol.String()}
	if t.port.given() {
		title.Port = t.port.String()
	}
	return title.title()
}

// failure says in what way a connection is not as expected, or "".
func (t testCase) failure(a answer) string {
	for _, p := range a.Paths {
		deciding := p.deciding()
		switch {
		case p.Verdict != t.expect:
			return fmt.Sprintf("%s: got %s, want %s: %s", a.title(), a.Verdict, t.expect, tell(deciding))
		case !slices.ContainsFunc(deciding, t.asExpected):
			return fmt.Sprintf("%s: got %s as expected, want it%s: %s", a.title(), p.Verdict, t.by(), tell(deciding))
		}
	}
	return ""
}

// deciding are the judgements for which the path has its verdict.
func (p path) deciding() []judgement {
	return slices.DeleteFunc(slices.Clone(p.Judgements), func(j judgement) bool { return j.Verdict != p.Verdict })
}

// asExpected says whether a judgement comes from where it should.
func (t testCase) asExpected(j judgement) bool {
	byPolicy := slices.ContainsFunc(j.policies(), func(p policyPlace) bool { return p.is(t.policy) })
	return (t.tier == "" || t.tier == j.Tier) &&
		(t.policy == "" || byPolicy) &&
		(t.rule == "" || t.rule == j.Rule)
}

// is says whether a person may call the policy so: by its name, with its
// namespace, or in full.
func (p policyPlace) is(text string) bool {
	return text == p.Name || text == p.Namespace+"/"+p.Name || text == p.ref()
}

// by says where the verdict should come from.
func (t testCase) by() string {
	text := ""
	for _, part := range [][2]string{{"tier", t.tier}, {"policy", t.policy}, {"rule", t.rule}} {
		if part[1] != "" {
			text += fmt.Sprintf(" by %s %s", part[0], part[1])
		}
	}
	return text
}

// tell gives the reasons.
func tell(all []judgement) string {
	var texts []string
	for _, j := range all {
		texts = append(texts, j.about(j.reason))
	}
	return strings.Join(texts, "; ")
}

// about is a reason of the judgement as a phrase.
func (j *judgement) about(r reason) string {
	return fmt.Sprintf("%s of %s %s %s: %s", j.Direction, j.Pod, j.preposition(), j.Address, r.told())
}

// told is the sentence with the places of the policies in it.
func (r *reason) told() string {
	var places []string
	for _, p := range r.policies() {
		places = append(places, p.place())
	}
	if len(places) == 0 {
		return r.Why
	}
	return fmt.Sprintf("%s (%s)", r.Why, strings.Join(places, ", "))
}

// trial gives the first denial that is only reported, or "" (P23).
func (a answer) trial() string {
	for _, p := range a.Paths {
		for _, j := range p.Judgements {
			if j.WouldDeny != nil {
				return j.about(*j.WouldDeny)
			}
		}
	}
	return ""
}
