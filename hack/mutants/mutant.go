package main

import (
	"fmt"
	"slices"
	"strings"
)

// mutant is one fault: a text of a file put in place of another.
type mutant struct {
	// name says what is wrong with the product then.
	name string
	// line is the promise of SEMANTICS.md that it breaks.
	line string
	file string
	// old occurs exactly once in file.
	old, new string
	// tests are what should object.
	tests tests
}

// tests are the arguments of go test.
type tests struct {
	packages string // separated by blanks
	run      string // as -run wants it; empty for all tests
}

func (t tests) arguments() []string {
	args := strings.Fields(t.packages)
	if t.run != "" {
		args = append(args, "-run", t.run)
	}
	return args
}

func (t tests) String() string { return strings.Join(t.arguments(), " ") }

// The tests that most mutants meet.
var (
	policyTests  = tests{packages: "./enforcer/policy"}
	convertTests = tests{packages: "./enforcer/policy/convert"}
	loadTests    = tests{packages: "./enforcer/manifests"}
	grantTests   = tests{packages: "./enforcer/grants"}
	nodeTests    = tests{packages: "./enforcer"}
	streamTests  = tests{packages: "./enforcer/dns"}
	pluginTests  = tests{packages: "./plugin ./plugin/internal/hub"}
)

// The tests of the C by what they look at; all of them take a while.
var (
	packetTests = tests{"./bpf", "Odd|Options|Neighbour|Fragment|Extension|Versions|DHCP|Unknown"}
	stateTests  = tests{"./bpf", "Repl|Reverse|Echo|Idle|Change|Outlives|NewGrant|Errors|OwnTable|Busy|NoState|JudgedAgain|Self|NameIs|Unknown|Held|Evicted|Lives"}
	ruleTests   = tests{"./bpf", "Tiers|Isolation|Families|LocalNode|Self|PortClasses|Name|Service|Audit|Unknown"}
)

// mutants are all of them, in the order of what they break.
func mutants() []mutant {
	return slices.Concat(policyMutants, tableMutants, convertMutants, grantMutants, lockdownMutants, answerMutants, hubMutants, packetMutants, connectionMutants, datapathMutants, shutMutants, worldMutants, podMutants)
}

// change gives the file's text with the fault in it.
func (m mutant) change(text string) (string, error) {
	if n := strings.Count(text, m.old); n != 1 {
		return "", fmt.Errorf("%s has the text to replace %d times, want once; follow the code in hack/mutants: %q", m.file, n, m.old)
	}
	if m.old == m.new {
		return "", fmt.Errorf("%s is not changed by %q", m.file, m.new)
	}
	return strings.Replace(text, m.old, m.new, 1), nil
}

// inKernel says that the object has to be compiled again.
func (m mutant) inKernel() bool {
	return strings.HasPrefix(m.file, "bpf/") && !strings.HasSuffix(m.file, ".go")
}
