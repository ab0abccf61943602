package main

import (
	"fmt"

	"github.com/miekg/dns"

	"github.com/nameward/nameward/hack/names/authority"
)

// ttl of all records, in seconds, but of those below shortZone.
const ttl = 60

// Names n0 to n199 of both zones have an address each, which no other name has
// (but the n-th of the other zone).
const (
	manyZone  = "many.example.net."
	shortZone = "short.example.net."
	many      = 200
)

// scripts are the names of the world outside.
func scripts() map[string]authority.Script {
	all := make(map[string]authority.Script)
	for i, name := range []string{"example.com.", "www.example.com.", "api.example.com.", "httpbin.org.", "example.org.", "www.example.org."} {
		all[name] = host(ttl, fmt.Sprintf("198.51.100.%d", 10+i), fmt.Sprintf("2001:db8:51::%d", 10+i))
	}
	all["cdn.example.com."] = alias("edge.example.org.", "198.51.100.30", "2001:db8:51::30")
	all["edge.example.org."] = host(ttl, "198.51.100.30", "2001:db8:51::30")
	// leads to the metadata address of clouds, as whoever runs a zone may try
	all["rebind.example.com."] = host(ttl, "169.254.169.254", "fd00:ec2::254")
	for i := range many {
		v4, v6 := fmt.Sprintf("203.0.113.%d", 1+i), fmt.Sprintf("2001:db8:113::%x", 1+i)
		all[fmt.Sprintf("n%d.%s", i, manyZone)] = host(ttl, v4, v6)
		all[fmt.Sprintf("n%d.%s", i, shortZone)] = host(1, v4, v6)
	}
	return all
}

func host(ttl int, v4, v6 string) authority.Script {
	return authority.ByType(map[uint16]authority.Script{
		dns.TypeA:    authority.Answers(fmt.Sprintf("@ %d A %s", ttl, v4)),
		dns.TypeAAAA: authority.Answers(fmt.Sprintf("@ %d AAAA %s", ttl, v6)),
	})
}

func alias(to, v4, v6 string) authority.Script {
	cname := fmt.Sprintf("@ %d CNAME %s\n", ttl, to)
	return authority.ByType(map[uint16]authority.Script{
		dns.TypeA:    authority.Answers(fmt.Sprintf("%s%s %d A %s", cname, to, ttl, v4)),
		dns.TypeAAAA: authority.Answers(fmt.Sprintf("%s%s %d AAAA %s", cname, to, ttl, v6)),
	})
}
