package nameward

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/nameward/nameward/plugin/internal/hub"
)

const (
	// refusalsEvery is how often refusals are told: whoever has data to carry
	// out asks thousands of names a second, and must not fill the log with them.
	refusalsEvery = 10 * time.Second
	// maxOffenders bounds the clients that are told of by address at a time.
	maxOffenders = 256
	// maxExamples bounds the names that are told of each.
	maxExamples = 3
	// maxShown bounds the length of a name in the log, in bytes: enough to see
	// the zone of a tunnel, whose labels in front are its data.
	maxShown = 80
)

// refusals are those of the process.
var refusals = &blotter{log: log.Warning}

// blotter collects what lockdown refuses and tells of it in one line for each
// client and period.
type blotter struct {
	log func(v ...any)

	mu        sync.Mutex
	offenders map[offender]*offence // of this period, nil where nothing happened
	others    int                   // refusals of clients beyond maxOffenders
}

type offender struct {
	client netip.Addr
	ruling hub.Lockdown
}

type offence struct {
	count    int
	examples []string
}

// note takes one refusal. The first of a period begins it.
func (b *blotter) note(client netip.Addr, r *dns.Msg, ruling hub.Lockdown) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.offenders == nil {
		b.offenders = make(map[offender]*offence)
		time.AfterFunc(refusalsEvery, b.tell)
	}
	key := offender{client, ruling}
	o := b.offenders[key]
	if o == nil {
		if len(b.offenders) == maxOffenders {
			b.others++
			return
		}
		o = &offence{}
		b.offenders[key] = o
	}
	o.count++
	if len(o.examples) < maxExamples {
		if text := show(r); !slices.Contains(o.examples, text) {
			o.examples = append(o.examples, text)
		}
	}
}

// tell ends the period.
func (b *blotter) tell() {
	b.mu.Lock()
	offenders, others := b.offenders, b.others
	b.offenders, b.others = nil, 0
	b.mu.Unlock()
	order := func(x, y offender) int {
		return cmp.Or(x.client.Compare(y.client), cmp.Compare(x.ruling, y.ruling))
	}
	for _, key := range slices.SortedFunc(maps.Keys(offenders), order) {
		o := offenders[key]
		b.log(fmt.Sprintf("lockdown: %s %d queries of %s in %v, such as %s",
			verb(key.ruling), o.count, key.client, refusalsEvery, strings.Join(o.examples, ", ")))
	}
	if others > 0 {
		b.log(fmt.Sprintf("lockdown: %d more queries of other clients in %v", others, refusalsEvery))
	}
}

func verb(ruling hub.Lockdown) string {
	if ruling == hub.LockdownAudit {
		return "would refuse"
	}
	return "refused"
}

// show names what was asked. Names of messages escape what is not printable; of
// one that is too long the end is kept, which says whose it is.
func show(r *dns.Msg) string {
	if len(r.Question) != 1 {
		return fmt.Sprintf("%s of %d questions", dns.OpcodeToString[r.Opcode], len(r.Question))
	}
	name := strings.Clone(r.Question[0].Name)
	if len(name) > maxShown {
		name = "…" + name[len(name)-maxShown:]
	}
	if r.Opcode != dns.OpcodeQuery {
		return dns.OpcodeToString[r.Opcode] + " " + name
	}
	return name + " " + dns.Type(r.Question[0].Qtype).String()
}
