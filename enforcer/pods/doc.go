// Package pods knows which interface of the node leads to which pod, on any
// CNI: by what the runtime and the CNI plugins tell, what they leave on disk,
// and what the kernel says of interfaces, routes and namespaces. It must not
// know policies, nor eBPF, nor an API server: it is told which pods there are,
// and tells where they are.
//
// Means differ in who could forge them. The chain's word, the runtime's result
// cache and the node's routes are root's alone on the node, and which namespace
// is behind an interface is the kernel's word. What addresses there are inside
// a namespace is up to whoever has NET_ADMIN there, so that this counts last,
// and where it contradicts the others it loses and is told.
package pods
