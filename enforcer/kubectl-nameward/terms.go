package main

import (
	"strings"

	"github.com/nameward/nameward/enforcer/policy"
)

// patternTerms are what policies say of the addresses learnt under a pattern.
type patternTerms struct {
	Pattern string `json:"pattern"`
	// Lives are those of each policy; the longest holds.
	Lives []life `json:"lives"`
	// Private are the private ranges that the names may lead to.
	Private []string `json:"private,omitempty"`
}

// life is how long an answer counts. What is empty is the node's setting.
type life struct {
	MinTTL string `json:"minTTL,omitempty"`
	Grace  string `json:"grace,omitempty"`
}

// termsOf gives what policies say of the patterns. Of a pattern that none says
// anything of, the node's settings hold, which are no part of the manifests.
func termsOf(e policy.Endpoint, patterns []string) []patternTerms {
	var all []patternTerms
	for _, pattern := range patterns {
		t, said := e.Terms[pattern]
		if !said {
			continue
		}
		out := patternTerms{Pattern: pattern}
		for _, l := range t.Lives {
			out.Lives = append(out.Lives, life{termText(l.MinTTL), termText(l.Grace)})
		}
		for _, p := range t.Private {
			out.Private = append(out.Private, p.String())
		}
		all = append(all, out)
	}
	return all
}

func termText(t policy.Term) string {
	if !t.Set {
		return ""
	}
	return t.Value.String()
}

func (t patternTerms) text() string {
	var lives []string
	for _, l := range t.Lives {
		lives = append(lives, "TTL at least "+orNodes(l.MinTTL)+", grace "+orNodes(l.Grace))
	}
	text := t.Pattern + ": " + strings.Join(lives, "; or, if that is longer, ")
	if len(t.Private) > 0 {
		text += "; private " + strings.Join(t.Private, ", ")
	}
	return text
}

func orNodes(text string) string {
	if text == "" {
		return "the node's"
	}
	return text
}
