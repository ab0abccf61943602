// Command e2e installs nameward in a Kubernetes cluster as a user would, and
// checks there what SEMANTICS.md promises of clusters. The cluster is the lab of
// this repository, which it starts and takes down, or any other by a kubeconfig.
//
//	e2e [-short] [-variant NAMES] [-only NAMES] [-keep [-stay]] [-kubeconfig FILE] …
//
// It does so in variants: with the chart's values all scenarios are played, and
// then some of them with other values, or in a lab that is started otherwise.
// -short, -only and -stay leave it at the first, unless -variant names others.
//
// It knows the chart, kubectl and what users expect; it must not know how
// verdicts are made: it looks from outside.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// options are the command line.
type options struct {
	kubeconfig, chart, helm, lab, agnhost, tag, version string
	only, variant                                       string
	short, keep, stay, list, noimages                   bool
	set                                                 words
}

// words are a flag that may be repeated.
type words []string

func (w *words) String() string     { return fmt.Sprint(*w) }
func (w *words) Set(s string) error { *w = append(*w, s); return nil }

func main() {
	var o options
	flag.StringVar(&o.kubeconfig, "kubeconfig", "", "use this cluster, which can pull the images, instead of the lab")
	flag.StringVar(&o.chart, "chart", "deploy/chart/nameward", "chart to install")
	flag.StringVar(&o.helm, "helm", "bin/helm", "helm program")
	flag.StringVar(&o.lab, "lab", "hack/lab/lab", "the lab's script")
	flag.StringVar(&o.agnhost, "agnhost", "registry.k8s.io/e2e-test-images/agnhost:2.53", "image of test pods")
	flag.StringVar(&o.tag, "tag", "e2e", "tag of nameward's images")
	flag.StringVar(&o.version, "version", "e2e", "version that the programs name")
	flag.StringVar(&o.only, "only", "", "names of scenarios, with commas between them; installing and uninstalling are always done")
	flag.StringVar(&o.variant, "variant", "", "names of variants, with commas between them; empty: all, or the first alone with -short, -only or -stay")
	flag.BoolVar(&o.short, "short", false, "fewer and shorter repetitions, for CI")
	flag.BoolVar(&o.keep, "keep", false, "use a lab that is up, and leave the lab up")
	flag.BoolVar(&o.stay, "stay", false, "leave nameward installed and the tests' namespaces there, to look around; with -keep")
	flag.BoolVar(&o.noimages, "no-images", false, "do not build the images: the lab has them")
	flag.BoolVar(&o.list, "list", false, "list scenarios and variants")
	flag.Var(&o.set, "set", "a value for the chart, as helm's --set; may be repeated")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "e2e: unexpected argument %q; it takes flags only\n", flag.Arg(0))
		os.Exit(2)
	}
	if o.list {
		for _, s := range scenarios {
			fmt.Printf("%-12s %s\n", s.name, s.about)
		}
		fmt.Println("\nvariants:")
		for _, v := range variants {
			fmt.Printf("%-12s %s: %s\n", v.name, v.about, cmp.Or(strings.Join(v.plays, " "), "all"))
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r := &report{out: os.Stdout}
	if err := run(ctx, o, r); err != nil {
		r.fail("e2e", "runs to its end", err)
	}
	r.summary()
	if r.failed > 0 || r.passed == 0 {
		stop()
		os.Exit(1)
	}
}
