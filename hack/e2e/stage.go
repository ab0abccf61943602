package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/nameward/nameward/hack/e2e/cluster"
)

// stage is where one scenario plays.
type stage struct {
	*world
	ctx        context.Context
	name       string
	namespaces []string
	cleanups   []func(context.Context) error
	wrong      bool
	// started are starts of enforcers, by pod.
	started map[types.UID]int
}

// mark is the label of what tests make in the whole cluster.
const mark = "nameward.io/e2e=true"

// settle is how long a change may take to be in force on every node (P7). It is
// waited for where nothing can be seen to happen: before looking at what must
// still be blocked.
const settle = time.Second

// reported is an error that has had its line.
type reported struct{ error }

// check prints one line. It returns the error, for those that cannot go on.
func (s *stage) check(sentence string, try func() error) error {
	began := time.Now()
	err := try()
	if err != nil {
		s.wrong = true
		s.fail(s.name, sentence, err)
		return reported{err}
	}
	s.pass(s.name, sentence, time.Since(began))
	return nil
}

// place makes a namespace, and gives its name back.
func (s *stage) place(suffix string, labels ...string) (string, error) {
	name := "e2e-" + s.name
	if suffix != "" {
		name += "-" + suffix
	}
	return name, s.placeNamed(name, labels...)
}

func (s *stage) placeNamed(name string, labels ...string) error {
	// One of a killed run may be going away still.
	err := cluster.Await(s.ctx, 90*time.Second, "namespace "+name+" of an earlier run to be gone", func(ctx context.Context) error {
		err := s.Get(ctx, "/api/v1/namespaces/"+name, nil)
		if errors.Is(err, cluster.ErrNotFound) {
			return nil
		}
		_, _ = s.Kubectl(ctx, "", "delete", "namespace", name, "--ignore-not-found", "--wait=false")
		return fmt.Errorf("it is there: %v", err)
	})
	if err != nil {
		return err
	}
	text := fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: %s\n  labels:\n    nameward.io/e2e: \"true\"\n", name)
	for _, l := range labels {
		key, value, _ := strings.Cut(l, "=")
		text += fmt.Sprintf("    %s: %q\n", key, value)
	}
	s.namespaces = append(s.namespaces, name)
	if err := s.Apply(s.ctx, text); err != nil {
		return err
	}
	// without it no pod is admitted
	return cluster.Await(s.ctx, time.Minute, "the service account of "+name, func(ctx context.Context) error {
		return s.Get(ctx, "/api/v1/namespaces/"+name+"/serviceaccounts/default", nil)
	})
}

// later is done when the scenario has ended, last first.
func (s *stage) later(do func(context.Context) error) { s.cleanups = append(s.cleanups, do) }

func (s *stage) end() {
	ctx := context.WithoutCancel(s.ctx)
	for i := len(s.cleanups) - 1; i >= 0; i-- {
		if err := s.cleanups[i](ctx); err != nil {
			s.fail(s.name, "cleans up", err)
		}
	}
	if s.stay {
		return
	}
	for _, name := range s.namespaces {
		if _, err := s.Kubectl(ctx, "", "delete", "namespace", name, "--ignore-not-found", "--wait=false"); err != nil {
			s.fail(s.name, "deletes its namespaces", err)
		}
	}
}

// route is a row of a table: who talks to whom, and what should become of it.
type route struct {
	from   cluster.Pod
	target string // host:port
	want   cluster.Outcome
	// as is what the line calls the target.
	as string
	// udp asks for an echo.
	udp bool
}

const (
	pass = cluster.Connected
	drop = cluster.TimedOut
)

// Time limits of a single probe. A first SYN that is dropped is sent again
// after a second: what passes late has not passed.
const (
	probeLimit = 900 * time.Millisecond
	awaitLimit = 10 * time.Second
)

// routes checks each row, side by side. First what has to pass, which is
// awaited; what must not is looked at once the change has settled.
func (s *stage) routes(when string, rows ...route) {
	for _, want := range []cluster.Outcome{pass, cluster.Refused, cluster.NoName, drop} {
		if want == drop {
			s.settled()
		}
		var all sync.WaitGroup
		for _, r := range rows {
			if r.want != want {
				continue
			}
			all.Go(func() { _ = s.check(r.sentence(when), func() error { return s.route(r) }) })
		}
		all.Wait()
	}
}

// settled waits until the last change is in force; see settle.
func (s *stage) settled() {
	select {
	case <-s.ctx.Done():
	case <-time.After(settle):
	}
}

func (r route) sentence(when string) string {
	to := r.as
	if to == "" {
		to = r.target
	}
	what := map[cluster.Outcome]string{pass: "is allowed", drop: "is blocked", cluster.Refused: "reaches the host", cluster.NoName: "finds no name"}[r.want]
	return strings.TrimSpace(fmt.Sprintf("%s %s → %s %s", when, r.from.Name, to, what))
}

func (s *stage) route(r route) error {
	once := func(ctx context.Context) error {
		try := s.Connect
		if r.udp {
			try = s.Echo
		}
		got, err := try(ctx, r.from, r.target, probeLimit)
		if err == nil && got != r.want {
			err = fmt.Errorf("got %s, want %s", got, r.want)
		}
		return err
	}
	err := cluster.Await(s.ctx, awaitLimit, "it", once)
	if err != nil || r.want != drop || r.udp {
		return err
	}
	return s.never(r, s.times(2, 1))
}

// never checks that none of so many attempts gets through.
func (s *stage) never(r route, attempts int) error {
	for range attempts {
		got, err := s.Connect(s.ctx, r.from, r.target, probeLimit/2)
		if err != nil {
			return err
		}
		if got != drop {
			return fmt.Errorf("got %s, want %s", got, drop)
		}
	}
	return nil
}

// times is how often something is tried: in full, or in the short form, which is
// also that of variants that play a part only.
func (s *stage) times(full, short int) int {
	if s.short || len(s.variant.plays) > 0 {
		return short
	}
	return full
}
