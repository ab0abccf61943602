// Package chain is what nameward-cni, the CNI plugin that container runtimes
// run at the end of their chain, and the enforcer say to each other: that an
// interface exists, and that its pod's policy is in the kernel (SEMANTICS D9).
//
// It knows the messages (HTTP/1.1 with JSON over a unix socket that root alone
// may use), their limits, both ends of the socket, and the plugin's own
// configuration. It must not know CNI's results, nor what the enforcer does
// before it answers.
//
// A message carries the version of the protocol: plugin and enforcer are
// replaced one after the other in an upgrade, and one that the other does not
// understand must be told so, not half understood.
package chain
