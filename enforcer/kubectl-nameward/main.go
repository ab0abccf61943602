// Command kubectl-nameward is the kubectl plugin, also of use without kubectl:
// it says whether a pod may talk to somebody by the policies of a folder of
// manifests, and which rule decides. It knows how questions are written and
// answers told. It must not decide anything itself: verdicts are those of the
// tables that package policy compiles for the kernel.
package main

import "os"

func main() { os.Exit(run(os.Stdout, os.Stderr, os.Args[1:])) }
