package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// section is a group of figures that can be measured alone.
type section struct {
	name string
	// measure needs no scene, onStage does; a section has one of the two.
	measure func(context.Context, *table) error
	onStage func(context.Context, *table, *stage) error
	// silent says that nobody asks CoreDNS for names.
	silent bool
}

// sections are all, in the order of the table.
var sections = []section{
	{name: "kernel", measure: kernel},
	{name: "names", measure: matching},
	{name: "compiler", measure: compilerAndKernel},
	{name: "cluster", onStage: clusterSize, silent: true},
	{name: "apiserver", onStage: func(ctx context.Context, t *table, s *stage) error { return s.atAPIServer(ctx, t) }, silent: true},
	{name: "throughput", onStage: throughput},
	{name: "first", onStage: firstAnswers},
	{name: "learning", onStage: learning},
	{name: "growth", onStage: growth},
	{name: "sessions", onStage: sessions}, // last: on a slow machine it may not come to its end
}

func sectionNames() string {
	var names []string
	for _, s := range sections {
		names = append(names, s.name)
	}
	return strings.Join(names, ", ")
}

// chooseSections returns those that are named, all where none is.
func chooseSections(only string) ([]section, error) {
	if only == "" {
		return sections, nil
	}
	wanted := strings.Split(only, ",")
	for _, name := range wanted {
		if !slices.ContainsFunc(sections, func(s section) bool { return s.name == name }) {
			return nil, fmt.Errorf("-only names section %q; there are %s", name, sectionNames())
		}
	}
	return slices.DeleteFunc(slices.Clone(sections), func(s section) bool { return !slices.Contains(wanted, s.name) }), nil
}

// measure goes through the sections. One that fails says so in the table and
// leaves the others their turn; only an interrupted run ends early.
func measure(ctx context.Context, t *table, o order) (err error) {
	var s *stage
	defer func() {
		if s != nil {
			err = errors.Join(err, s.close())
		}
	}()
	for _, part := range o.sections {
		if part.onStage != nil && s == nil {
			if s, err = newStage(t, o.binaries); err != nil {
				return because(ctx, err)
			}
		}
		err := because(ctx, part.run(ctx, t, s))
		if errors.Is(err, errInterrupted) {
			return err
		}
		if err != nil {
			t.missing(part.name, err)
		}
	}
	return nil
}

func (p section) run(ctx context.Context, t *table, s *stage) error {
	if p.onStage != nil {
		return p.onStage(ctx, t, s)
	}
	return p.measure(ctx, t)
}

func compilerAndKernel(ctx context.Context, t *table) error {
	return errors.Join(compiler(ctx, t), podElsewhere(ctx, t))
}
