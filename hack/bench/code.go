package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// hookGoals are what one packet may cost more than under a program that does
// nothing, in nanoseconds, by benchmark.
var hookGoals = map[string]struct {
	says  string
	bound float64
}{
	"established": {"established packet", 65},
	"reply":       {"reply packet", 65},
	"deny":        {"denied; 20,000 peers, 10,000 prefixes", 160},
	"new_by_cidr": {"new flow by CIDR rule", 300},
	"new_by_name": {"new flow by name grant", 300},
}

// kernel measures the hook with the kernel's own clock.
func kernel(ctx context.Context, t *table) error {
	const runs = 5
	t.progress("kernel: benchmarks of ./bpf, %d runs", runs)
	all, err := goBench(ctx, "bpf", "^BenchmarkHook$", runs, 500*time.Millisecond)
	if err != nil {
		return err
	}
	nothing, err := all.median("Hook/established", "ns/nothing")
	if err != nil {
		return err
	}
	t.section("Kernel: what the hook adds to a packet",
		fmt.Sprintf("to the %.0f ns of an empty program, by BPF test run; median of %d runs, each the best of many alternations", nothing, runs))
	for name := range hookGoals {
		if !slices.Contains(all.names, "Hook/"+name) {
			return fmt.Errorf("benchmarks of bpf: Hook/%s is missing, it has a goal", name)
		}
	}
	for _, name := range all.names {
		added, err := all.median(name, "ns/added")
		if err != nil {
			return err
		}
		f := figure{name: sentence(name), value: added, unit: addedNanoseconds}
		if g, promised := hookGoals[strings.TrimPrefix(name, "Hook/")]; promised {
			f.name, f.goal = g.says, atMost(g.bound)
		}
		t.figure(f)
	}
	return nil
}

// matchSays are the names that package names matches in its benchmark.
var matchSays = map[string]string{
	"exact":    "a name that is a pattern in full",
	"wildcard": "a name below a wildcard",
	"upper":    "the same in capitals",
	"stranger": "a name of another domain",
	"sibling":  "a name beside the patterns",
	"deep":     "a name of 103 labels",
}

// matching measures names.Set.
func matching(ctx context.Context, t *table) error {
	const runs, bound = 5, 300
	t.progress("names: benchmarks of ./plugin/names, %d runs", runs)
	all, err := goBench(ctx, "plugin/names", "^BenchmarkMatch10000$", runs, 300*time.Millisecond)
	if err != nil {
		return err
	}
	t.section("Names: one match among 10,000 patterns", fmt.Sprintf("median of %d runs", runs))
	var most float64
	for _, name := range all.names {
		took, err := all.median(name, "ns/op")
		if err != nil {
			return err
		}
		allocs := all.values[name]["allocs/op"]
		if len(allocs) == 0 {
			return fmt.Errorf("benchmark %s reported no allocs/op", name)
		}
		most = max(most, slices.Max(allocs))
		says := cmp.Or(matchSays[strings.TrimPrefix(name, "Match10000/")], sentence(name))
		t.figure(figure{name: says, value: took, unit: nanoseconds, goal: atMost(bound)})
	}
	t.figure(figure{name: "allocations, the most of all", value: most, unit: allocations, goal: atMost(0)})
	return nil
}

// compilerGoals are promised of one core at the size that the section names.
var compilerGoals = map[string]struct {
	says string
	unit unit
	goal goal
	of   string // the metric
}{
	"Compile":             {"everything compiled", elapsed, atMost(2e9), "ns/op"},
	"PodElsewhere":        {"a pod comes to another node", microseconds, atMost(1000), "us/change"},
	"OnePolicy":           {"one policy changes, with CIDR, selector and port new to the node", elapsed, atMost(50e6), "ns/change"},
	"RulesOnOneCIDR/8000": {"each of 8,000 rules for one CIDR", nanoseconds, goal{}, "ns/rule"},
}

// compiler measures package policy on one core.
func compiler(ctx context.Context, t *table) error {
	const runs = 3
	t.progress("compiler: benchmarks of ./enforcer/policy, %d runs", runs)
	all, err := goBench(ctx, "enforcer/policy", ".", runs, 300*time.Millisecond, "-cpu=1")
	if err != nil {
		return err
	}
	t.section("Compiler: 10,000 pods, 2,000 policies, 20,000 CIDRs; 110 pods of this node", fmt.Sprintf("one core; median of %d runs", runs))
	for name := range compilerGoals {
		if !slices.Contains(all.names, name) {
			return fmt.Errorf("benchmarks of enforcer/policy: %s is missing, it has a goal", name)
		}
	}
	for _, name := range all.names {
		f := figure{name: name, unit: elapsed, beside: extras(all.values[name])}
		metric := "ns/op"
		if g, promised := compilerGoals[name]; promised {
			f.name, f.unit, f.goal, metric = g.says, g.unit, g.goal, g.of
		}
		if f.value, err = all.median(name, metric); err != nil {
			return err
		}
		t.figure(f)
	}
	return compilerSize(t, all)
}

// compilerSize derives figures from several metrics.
func compilerSize(t *table, all benchmarks) error {
	allocated, err := all.median("Compile", "B/op")
	if err != nil {
		return err
	}
	t.figure(figure{name: "all that is allocated on the way, more than is ever in use", value: allocated / 1e6, unit: megabytes, goal: atMost(150)})
	few, err := all.median("RulesOnOneCIDR/1000", "ns/rule")
	if err != nil {
		return err
	}
	many, err := all.median("RulesOnOneCIDR/8000", "ns/rule")
	if err != nil {
		return err
	}
	t.figure(figure{name: "a rule for one CIDR among 8,000, to one among 1,000", value: many / few, unit: ratio, goal: atMost(2)})
	return nil
}

// podElsewhere measures the whole way of such a pod, into the kernel.
func podElsewhere(ctx context.Context, t *table) error {
	const runs = 3
	t.progress("datapath: benchmark of ./enforcer/datapath, %d runs", runs)
	all, err := goBench(ctx, "enforcer/datapath", "^BenchmarkPodElsewhere$", runs, 300*time.Millisecond)
	if err != nil {
		return err
	}
	took, err := all.median("PodElsewhere", "ns/op")
	if err != nil {
		return err
	}
	t.figure(figure{name: "a pod comes to another node, up to its one write to the kernel", value: took, unit: elapsed, goal: atMost(1e6)})
	return nil
}

// extras are the metrics that a benchmark reports of its own accord.
func extras(metrics map[string][]float64) string {
	var texts []string
	for unit, values := range metrics {
		if !strings.HasSuffix(unit, "/op") {
			texts = append(texts, grouped(median(values))+" "+strings.ReplaceAll(unit, "-", " "))
		}
	}
	slices.SortFunc(texts, func(a, b string) int { return strings.Compare(after(a), after(b)) })
	return strings.Join(texts, ", ")
}

func after(text string) string {
	_, rest, _ := strings.Cut(text, " ")
	return rest
}

// sentence is a sub-benchmark's name for people.
func sentence(name string) string {
	_, sub, _ := strings.Cut(name, "/")
	return strings.ReplaceAll(sub, "_", " ")
}
