// Command prove holds the reference evaluator against independent models of
// the policy APIs for as long as it is told to. It knows how to spend a budget
// and how to print what came of it; what is compared is known to package
// oracle.
package main

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"github.com/nameward/nameward/hack/oracles/oracle"
)

func main() {
	budget := flag.Duration("budget", time.Minute, "how long to go on, over all oracles")
	seed := flag.Uint64("seed", 0, "seed of the first cluster; 0 takes one by chance")
	only := flag.String("oracle", "", "ask only the oracle of this name")
	flag.Parse()
	if *seed == 0 {
		*seed = rand.Uint64N(1 << 48)
	}
	os.Exit(prove(os.Stdout, *budget, *seed, *only))
}

// prove gives the exit code.
func prove(out io.Writer, budget time.Duration, seed uint64, only string) int {
	var chosen []*oracle.Oracle
	for _, o := range oracle.All() {
		if only == "" || o.Name == only {
			chosen = append(chosen, o)
		}
	}
	if len(chosen) == 0 {
		fmt.Fprintf(out, "no oracle is called %q\n", only)
		return 2
	}
	fmt.Fprintf(out, "seed %d\n", seed)
	passed, failed := 0, 0
	for i, o := range chosen {
		share := budget / time.Duration(len(chosen)-i)
		start := time.Now()
		p := &oracle.Proof{Oracle: o, Seed: seed}
		p.Run(func() bool { return time.Since(start) >= share })
		budget -= time.Since(start)
		fmt.Fprint(out, p.Report(time.Since(start)))
		passed, failed = passed+p.Asked-len(p.Disagreements), failed+len(p.Disagreements)
	}
	fmt.Fprintf(out, "%d passed, %d failed\n", passed, failed)
	if failed > 0 || passed == 0 {
		return 1
	}
	return 0
}
