package main

import (
	"fmt"
	"testing"

	"github.com/miekg/dns"

	"github.com/nameward/nameward/hack/demo/scene"
	"github.com/nameward/nameward/plugin/names"
)

func TestRotorGivesEveryAddressInTurn(t *testing.T) {
	r := &rotor{given: map[string]int{}}
	const pool, each = 20, 4
	ask := func() (addresses []string) {
		reply := new(dns.Msg).SetReply(new(dns.Msg).SetQuestion(dns.Fqdn(rotorName(pool, each, 3)), dns.TypeA))
		if err := r.fill(reply); err != nil {
			t.Fatal(err)
		}
		for _, rr := range reply.Answer {
			addresses = append(addresses, rr.(*dns.A).A.String())
		}
		return addresses
	}
	seen := map[string]int{}
	for round := 1; round <= 2; round++ {
		for range pool / each {
			got := ask()
			if len(got) != each {
				t.Fatalf("answer: got %d addresses, want %d", len(got), each)
			}
			for _, a := range got {
				seen[a]++
			}
		}
		for a, times := range seen {
			if times != round {
				t.Errorf("%s after %d rounds: got given %d times", a, round, times)
			}
		}
		if len(seen) != pool {
			t.Errorf("addresses after round %d: got %d, want %d", round, len(seen), pool)
		}
	}
}

func TestRotorKnowsNoOtherNames(t *testing.T) {
	r := &rotor{given: map[string]int{}}
	for _, name := range []string{"grow.example.net", "pool4-each8-nth0.grow.example.net", "pool4-each0-nth0.grow.example.net", "example.com"} {
		reply := new(dns.Msg).SetReply(new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeA))
		if err := r.fill(reply); err == nil {
			t.Errorf("%s: got %v, want an error", name, reply.Answer)
		}
	}
}

// An answer that has to fit in one message does.
func TestWholeAnswersFit(t *testing.T) {
	r := &rotor{given: map[string]int{}}
	reply := new(dns.Msg).SetReply(new(dns.Msg).SetQuestion(dns.Fqdn(rotorName(4000, 4000, 24)), dns.TypeA))
	if err := r.fill(reply); err != nil {
		t.Fatal(err)
	}
	reply.Compress = true
	if got := reply.Len(); got > dns.MaxMsgSize {
		t.Errorf("answer of 4,000 addresses: got %d bytes, want at most %d", got, dns.MaxMsgSize)
	}
}

func TestManyPatternsAreThatManyAndMatchTheZone(t *testing.T) {
	for _, count := range []int{somePods, allPods} {
		distinct := map[names.Pattern]bool{}
		var all []names.Pattern
		for _, text := range manyPatterns(count, 0) {
			p, err := names.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			distinct[p] = true
			all = append(all, p)
		}
		if len(distinct) != count {
			t.Errorf("patterns: got %d, want %d", len(distinct), count)
		}
		set := names.NewSet(all)
		for i := range fewNames {
			if !set.Matches(zoneName(i)) {
				t.Errorf("%s: got no pattern that matches, want one", zoneName(i))
			}
		}
		if set.Matches(canary) {
			t.Error("the canary: got a pattern that matches before any change, want none")
		}
	}
}

func TestLessonsRepeatNoAddress(t *testing.T) {
	pods := []*scene.Pod{new(scene.Pod), new(scene.Pod), new(scene.Pod), new(scene.Pod), new(scene.Pod), new(scene.Pod), new(scene.Pod)}
	c := new(class)
	seen := map[string]bool{}
	for round, size := range []int{10, 100} {
		for answer := range lessonsEach / size {
			for nth, pod := range pods {
				for _, a := range c.lesson(pod, round, nth, answer, size).GetLearned().GetAddresses() {
					if seen[string(a.GetIp())] {
						t.Fatalf("round %d, pod %d: address %v is told twice", round, nth, a.GetIp())
					}
					seen[string(a.GetIp())] = true
				}
			}
		}
	}
	if want := 2 * lessonsEach * len(pods); len(seen) != want {
		t.Errorf("addresses: got %d, want %d", len(seen), want)
	}
}

func TestFixedLoadAsksFreshNames(t *testing.T) {
	asked, addresses := map[string]bool{}, map[[2]int]bool{}
	for i := range 5 * loadAddresses {
		name := loadName(i)
		if asked[name] {
			t.Fatalf("%s: got asked twice, want once", name)
		}
		asked[name] = true
		var nth, high, low int
		if _, err := fmt.Sscanf(name, "f%d-%d-%d.load.example.net", &nth, &high, &low); err != nil || high > 255 || low > 255 {
			t.Fatalf("%s: got octets %d and %d, %v", name, high, low, err)
		}
		addresses[[2]int{high, low}] = true
	}
	if len(addresses) != loadAddresses {
		t.Errorf("addresses: got %d, want %d", len(addresses), loadAddresses)
	}
}
