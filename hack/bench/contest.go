package main

import (
	"context"
	"time"
)

// roundTime is how long dnsperf loads one server before it is the next one's
// turn: as short as dnsperf can, so that all meet the same disturbances.
const roundTime = time.Second

// contest loads servers in turn with the same questions.
type contest struct {
	entrants []*entrant
}

// entrant is a server and what came of its rounds.
type entrant struct {
	*server
	rates          []float64 // queries per second, round by round
	answered, lost int
	cpu            time.Duration
	allocated      float64 // objects
	held           float64 // answers
}

func newContest(servers ...*server) *contest {
	c := new(contest)
	for _, v := range servers {
		c.entrants = append(c.entrants, &entrant{server: v})
	}
	return c
}

// run loads every server so many rounds, after one that fills the caches and
// does not count. The order changes from round to round, so that none profits
// from what the machine does meanwhile.
func (c *contest) run(ctx context.Context, s *stage, queries string, rounds int, progress func(round int)) error {
	for i := range 1 + rounds {
		if i == 1 {
			if err := c.take(ctx, -1); err != nil {
				return err
			}
		}
		progress(i)
		for turn := range c.entrants {
			e := c.entrants[(i+turn)%len(c.entrants)]
			l, err := s.perf(ctx, e.at, queries, roundTime)
			if err != nil {
				return err
			}
			if i > 0 {
				e.rates = append(e.rates, l.perSecond)
				e.answered += l.completed
				e.lost += l.lost
			}
		}
	}
	return c.take(ctx, +1)
}

// take adds what every process has used up to now, or subtracts it.
func (c *contest) take(ctx context.Context, sign float64) error {
	for _, e := range c.entrants {
		used, err := e.usage()
		if err != nil {
			return err
		}
		e.cpu += time.Duration(sign) * used.cpu
		for name, to := range map[string]*float64{
			"go_memstats_mallocs_total":           &e.allocated,
			"coredns_nameward_held_answers_total": &e.held,
		} {
			value, err := e.metric(ctx, name)
			if err != nil {
				return err
			}
			*to += sign * value
		}
	}
	return nil
}

// perAnswer is the CPU time of one answer in microseconds.
func (e *entrant) perAnswer() float64 {
	return float64(e.cpu.Nanoseconds()) / 1e3 / float64(e.answered)
}

// allocations of one answer. Nothing else went on in the process but two
// readings of its metrics.
func (e *entrant) allocations() float64 { return e.allocated / float64(e.answered) }

// ratios are the server's rates to the baseline's, round by round.
func (e *entrant) ratios(baseline *entrant) []float64 {
	ratios := make([]float64, len(e.rates))
	for i := range ratios {
		ratios[i] = e.rates[i] / baseline.rates[i]
	}
	return ratios
}
