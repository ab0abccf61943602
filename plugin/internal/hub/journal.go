package hub

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// A journaled address is replayed for as long as an enforcer of default
	// settings would have granted it, had it listened: at least keepFloor,
	// and keepGrace more.
	keepFloor = 30 * time.Second
	keepGrace = 60 * time.Second

	// Weights count addresses, of about 40 bytes; a page and a client cost more.
	// A client may weigh perName for each name of the journal's limit, a shard
	// minShardWeight or as much as four clients: 30 MB in all, by default.
	pageWeight     = 4
	diaryWeight    = 8
	perName        = 8
	minShardWeight = 8192

	sweepInterval = 10 * time.Second
)

// journal keeps what each client was told lately, watched or not: a pod may
// resolve before its policy is there, before its enforcer is connected, or
// while the stream is down.
type journal struct {
	limit  atomic.Int64 // names per client; 0 = no journal
	shards [64]journalShard
}

type journalShard struct {
	mu     sync.Mutex
	diary  map[netip.Addr]*diary // guarded by mu, as all of it is
	spare  spares
	weight int
	swept  instant
}

// clientWeight and shardWeight are the bounds under a limit of names.
func clientWeight(limit int) int { return diaryWeight + perName*limit }
func shardWeight(limit int) int  { return max(minShardWeight, 4*clientWeight(limit)) }

// SetJournal bounds the names remembered for each client. Zero ends the journal.
func (h *Hub) SetJournal(limit int) {
	h.journal.limit.Store(int64(limit))
	if limit == 0 {
		for i := range h.journal.shards {
			h.journal.shards[i].clear()
		}
	}
}

func (j *journal) enabled() bool { return j.limit.Load() > 0 }

func (j *journal) shard(client netip.Addr) *journalShard { return &j.shards[shardOf(client)%64] }

func (j *journal) record(client netip.Addr, a Answer, now instant) {
	limit := int(j.limit.Load())
	if limit == 0 {
		return
	}
	hash := hashOf(a.Names[0])
	s := j.shard(client)
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.diary[client]
	if d == nil {
		d = s.open(client)
	}
	before := d.weight
	d.write(a, hash, now, limit, &s.spare)
	s.weight += d.weight - before
	if s.weight > shardWeight(limit) {
		s.shrink(now, shardWeight(limit))
	}
}

// replay returns what client was told and may still use, the oldest first, as
// far as want says so of one of the names.
func (j *journal) replay(client netip.Addr, now instant, want func(name string) bool) []Answer {
	s := j.shard(client)
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.diary[client]
	if d == nil {
		return nil
	}
	before := d.weight
	answers := d.replay(now, want)
	s.weight += d.weight - before
	return answers
}

func (j *journal) clients() int {
	n := 0
	for i := range j.shards {
		j.shards[i].mu.Lock()
		n += len(j.shards[i].diary)
		j.shards[i].mu.Unlock()
	}
	return n
}

func (s *journalShard) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.diary, s.spare, s.weight = nil, spares{}, 0
}

func (s *journalShard) open(client netip.Addr) *diary {
	if s.diary == nil {
		s.diary = make(map[netip.Addr]*diary)
	}
	d := &diary{weight: diaryWeight}
	s.diary[client] = d
	s.weight += d.weight
	return d
}

// shrink brings the shard well below the bound, so that it need not come again
// soon. What has run out goes first; then whoever holds an average share or more
// loses what is oldest: a greedy client pays for itself, a modest one for nobody.
func (s *journalShard) shrink(now instant, bound int) {
	if now-s.swept >= sweepInterval {
		s.swept = now
		for client, d := range s.diary {
			s.trim(client, d, func() { d.sweep(now, &s.spare) })
		}
	}
	target := bound - bound/8
	for s.weight > target {
		share := s.weight / len(s.diary)
		for client, d := range s.diary {
			if s.weight <= target {
				return
			}
			if d.weight >= share {
				s.trim(client, d, func() { d.shrink(share, &s.spare) })
			}
		}
	}
}

// trim accounts for what f takes from a diary.
func (s *journalShard) trim(client netip.Addr, d *diary, f func()) {
	before := d.weight
	f()
	s.weight += d.weight - before
	if d.pages == 0 {
		s.weight -= d.weight
		delete(s.diary, client)
	}
}
