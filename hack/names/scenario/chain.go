package scenario

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/nameward/nameward/hack/demo/scene"
)

// chain is one way to put CoreDNS's plugins together. Each has a server block
// and addresses of its own.
type chain uint8

// The zero chain is what most clusters have.
const (
	plain chain = iota
	bare
	whole
	renaming
	bending
	searching
	translating
	lingering
	listed
	zoned
	made
	trusting
	hiding
	beside
	chains
)

// blocks are the chains' server blocks, below nameward and errors.
var blocks = [chains]struct{ says, text string }{
	plain: {"cache, forward", `
    cache 30 {
        # The plugin's floor of 5 seconds would hide short lives.
        success 9984 30 0
    }
    forward . AUTHORITY`},
	bare: {"forward", `
    forward . AUTHORITY`},
	whole: {"forward over TCP, so that CoreDNS has to truncate", `
    forward . AUTHORITY {
        force_tcp
    }`},
	renaming: {"rewrite with answer auto, or of one name, which has the same effect", `
    rewrite stop name exact renamed.fault.example inside.elsewhere.example
    rewrite stop {
        name suffix .public.example .fault.example
        answer auto
    }
    forward . AUTHORITY`},
	bending: {"rewrite of the question alone", `
    rewrite stop name suffix .bent.fault.example .elsewhere.example
    forward . AUTHORITY`},
	searching: {"autopath", `
    autopath cluster.local FOLDER/search.conf
    cache 30
    template ANY ANY cluster.local {
        rcode NXDOMAIN
    }
    forward . AUTHORITY`},
	translating: {"dns64", `
    dns64 64:ff9b::/96
    cache 30
    forward . AUTHORITY`},
	lingering: {"cache with serve_stale", `
    cache 30 {
        success 9984 30 0
        serve_stale 1h immediate
    }
    forward . AUTHORITY`},
	listed: {"hosts", `
    hosts FOLDER/hosts {
        ttl 120
        fallthrough
    }
    forward . AUTHORITY`},
	zoned: {"file", `
    file FOLDER/zone zoned.fault.example
    forward . AUTHORITY`},
	made: {"template", `
    template IN A made.fault.example {
        answer "{{ .Name }} 77 IN A MADE"
    }
    forward . AUTHORITY`},
	trusting: {"match_cname_targets", `
    forward . AUTHORITY`},
	hiding: {"a cache that is no build of ours, before the chain with cache, forward", `
    forward . CLUSTER`},
	beside: {"node-local cache of our build, before the chain with forward alone", `
    cache 30
    forward . BEHIND {
        force_tcp
    }`},
}

// address is where the chain listens: on addresses that the node has.
func (c chain) address() scene.Dual {
	return scene.Dual{
		V4: netip.AddrFrom4([4]byte{10, 100, 53, byte(c) + 1}),
		V6: netip.MustParseAddr(fmt.Sprintf("fd00:10:100::53:%x", int(c)+1)),
	}
}

// Addresses of the programs on the node.
const (
	clusterReady, clusterMetrics = "127.0.0.1:8181", "127.0.0.1:9153"
	besideReady, besideMetrics   = "127.0.0.1:8182", "127.0.0.1:9154"
)

// settings are the words of nameward's block. Answers are held longer than by
// default: what a busy machine cannot do in time is no scenario of the table.
func (c chain) settings(socket string) string {
	words := "hold 2s"
	switch c {
	case plain, beside:
		words += "\n        listen " + socket
	case trusting:
		words += "\n        match_cname_targets"
	}
	return words
}

// server is the chain's block of a Corefile, for one of its transports.
func (c chain) server(key, socket string, values *strings.Replacer) string {
	own := fmt.Sprintf("    nameward {\n        %s\n    }\n", c.settings(socket))
	if c == hiding {
		own = ""
	}
	at := c.address()
	return fmt.Sprintf("%s {\n    bind %s %s\n%s    errors%s\n}\n", key, at.V4, at.V6, own, values.Replace(blocks[c].text))
}

// page are the lines of the one block that serves a program's readiness and
// metrics.
func page(ready, metrics string) string {
	return fmt.Sprintf("    ready %s\n    prometheus %s\n", ready, metrics)
}

// clusterFile is the Corefile of the cluster's CoreDNS: all chains but the one
// beside it. Chain plain is reached over TLS and HTTPS too.
func clusterFile(socket, folder string, values *strings.Replacer) string {
	var file strings.Builder
	for c := range chains {
		if c == beside {
			continue
		}
		block := c.server(".:53", socket, values)
		if c == plain {
			certificate := fmt.Sprintf("\n    tls %s/server.crt %[1]s/server.key", folder)
			for _, key := range []string{"tls://.:853", "https://.:443"} {
				secure := c.server(key, socket, values)
				secure = strings.Replace(secure, "        listen "+socket+"\n", "", 1)
				file.WriteString(strings.Replace(secure, "    errors", "    errors"+certificate, 1))
			}
			block = strings.Replace(block, "    errors", page(clusterReady, clusterMetrics)+"    errors", 1)
		}
		file.WriteString(block)
	}
	return file.String()
}

// besideFile is the Corefile of the node-local cache.
func besideFile(socket string, values *strings.Replacer) string {
	block := beside.server(".:53", socket, values)
	return strings.Replace(block, "    errors", page(besideReady, besideMetrics)+"    errors", 1)
}
