// Package policy turns the policies of a cluster into the tables by which the
// kernel judges the packets of one node's pods, and says why a flow is allowed
// or denied.
//
// It knows the one rule model of all five policy sources, their order, label
// selectors, CIDRs, named ports and name patterns. It is pure: a World goes in,
// Tables come out, and equal Worlds give equal Tables on any machine. It must
// not know where objects come from, what an address resolved to, how tables
// get into the kernel, or what time it is.
package policy
