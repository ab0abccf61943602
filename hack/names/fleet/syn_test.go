package fleet

import "testing"

// counters are as Linux 6.18 writes them, with fewer columns.
const counters = `Ip: Forwarding DefaultTTL
Ip: 2 64
Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens
Tcp: 1 200 120000 -1 42 7
`

func TestCounter(t *testing.T) {
	if got, err := counter(counters, "Tcp:", "ActiveOpens"); err != nil || got != 42 {
		t.Errorf("active opens: got %d, %v; want 42", got, err)
	}
	for why, c := range map[string]struct{ group, name string }{
		"a name that there is not":   {"Tcp:", "PassiveCloses"},
		"a group that there is not":  {"Udp:", "ActiveOpens"},
		"the name of another group":  {"Ip:", "ActiveOpens"},
		"the group's own name is no": {"Tcp:", "Tcp:"},
	} {
		t.Run(why, func(t *testing.T) {
			if got, err := counter(counters, c.group, c.name); err == nil {
				t.Errorf("%s %s: got %d, want an error", c.group, c.name, got)
			}
		})
	}
}
