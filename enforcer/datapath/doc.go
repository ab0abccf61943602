// Package datapath brings compiled policy into the kernel: it loads the
// programs, keeps their tables, attaches them to pods' interfaces and reads
// what they count. It is the only importer of package bpf and of cilium/ebpf.
//
// It knows the order in which tables may change so that every packet is judged
// by the whole old or the whole new policy, and how state outlives the process.
// It must not know Kubernetes, DNS or what any rule means.
//
// # What is pinned
//
// Under the pin directory, on a BPF file system:
//
//	world, counters, denials, denials_lost   shared by all program versions
//	pods/<endpoint>/connections, grants      a pod's own state
//	pods/<endpoint>/into_pod, out_of_pod     its filters, as BPF links (TCX)
//	shut/<ifindex>/into_pod, out_of_pod      those of interfaces without a pod
//
// The policy tables are not pinned. A process that starts loads its programs
// with new tables, fills them, and then replaces the program of each link in
// one step: the predecessor's policy holds on an interface until the very
// packet from which the successor's does (SEMANTICS D7, D8).
package datapath
