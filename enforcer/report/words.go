package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/nameward/nameward/enforcer/policy"
)

const (
	// named is how many nodes of a sort a message names; the others it counts.
	named = 3
	// longestMessage keeps a policy with a thousand faults readable; the API
	// would allow 32,768 bytes.
	longestMessage = 4096
	// longestNote is what the API allows for an Event's note, in bytes.
	longestNote = 1024
)

// The types of the conditions.
const (
	typeAccepted = "Accepted"
	typeEnforced = "Enforced"
)

// verdict is a condition without its history.
type verdict struct {
	status  meta.ConditionStatus
	reason  string
	message string
}

// wanted is what a policy's status should say.
type wanted struct {
	policy             *Policy
	since              version
	accepted, enforced verdict
}

// accepted says whether all of p was understood (P15).
func accepted(p *Policy) verdict {
	if len(p.Problems) == 0 {
		return verdict{meta.ConditionTrue, "Accepted", "every part is understood"}
	}
	return verdict{meta.ConditionFalse, reasonPartlyClosed, closedParts(p.Problems, longestMessage)}
}

// closedParts lists problems within a number of bytes, and counts those that
// do not fit.
func closedParts(problems []policy.Problem, most int) string {
	const head = "closed, since not understood: "
	const room = len("; and 1000000 more")
	var b strings.Builder
	b.WriteString(head)
	for i, p := range problems {
		text := p.Reason
		if p.Field != "" {
			text = p.Field + ": " + p.Reason
		}
		if b.Len()+len("; ")+len(text)+room > most {
			if i == 0 {
				b.WriteString(cut(text, most-b.Len()-room))
				i++
			}
			if rest := len(problems) - i; rest > 0 {
				fmt.Fprintf(&b, "; and %d more", rest)
			}
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(text)
	}
	return b.String()
}

// cut shortens s to a number of bytes, and to whole characters.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	const sign = "…"
	return strings.ToValidUTF8(s[:max(0, most-len(sign))], "") + sign
}

// enforced says on how many nodes a generation that appeared at v is in force.
// Without nodes there is nothing to say.
func (r *roll) enforced(k Kind, v version, tail string) verdict {
	all := r.kinds[k]
	n := reached(all, v)
	message := strconv.Itoa(n) + " of " + strconv.Itoa(r.total) + " nodes"
	switch {
	case r.total == 0:
		return verdict{meta.ConditionUnknown, "NoNodes", message}
	case n == r.total:
		return verdict{meta.ConditionTrue, "AllNodes", message}
	}
	behind := all[n:]
	if len(behind) > 0 {
		message += "; not there yet: " + list(len(behind), func(i int) string { return behind[i].node })
	}
	if tail != "" {
		return verdict{meta.ConditionFalse, "SomeNodes", message + tail}
	}
	return verdict{meta.ConditionFalse, "Progressing", message}
}

// tail names the nodes that count for no policy. Times are points, not
// durations: a text that changes by itself would have to be written again.
func (r *roll) tail() string {
	var b strings.Builder
	if len(r.silent) > 0 {
		b.WriteString("; silent: " + list(len(r.silent), func(i int) string {
			s := r.silent[i]
			return s.node + " since " + s.since.UTC().Format(time.RFC3339)
		}))
	}
	if len(r.absent) > 0 {
		b.WriteString("; no enforcer: " + list(len(r.absent), func(i int) string { return r.absent[i] }))
	}
	if len(r.leaky) > 0 {
		b.WriteString("; pods not policed: " + list(len(r.leaky), func(i int) string {
			return fmt.Sprintf("%d on %s", r.leaky[i].pods, r.leaky[i].node)
		}))
	}
	return b.String()
}

// list names the first few of n and counts the others.
func list(n int, name func(int) string) string {
	shown := make([]string, 0, named)
	for i := range min(n, named) {
		shown = append(shown, name(i))
	}
	text := strings.Join(shown, ", ")
	if n > named {
		text += " and " + strconv.Itoa(n-named) + " more"
	}
	return text
}
