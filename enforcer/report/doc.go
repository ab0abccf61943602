// Package report says in the Kubernetes API what the enforcers do: conditions
// on policies, Events on policies, pods, nodes and the settings (S4, P15, D10).
//
// Every enforcer writes one object of its own, a Lease that says which policies
// are in force on its node. One elected enforcer watches those Leases and writes
// the conditions, so that thousands of nodes never meet in one object.
//
// It knows the API server and how objects are described to people. It must not
// know how policies are compiled or how the kernel is told; it is told by values.
// What is decided (who enforces what, which condition, whose turn) is in functions
// of values and of a time passed in; the API server is reached only through api.
// While that server is away nothing here waits for it but its own goroutines, and
// nothing grows.
package report
