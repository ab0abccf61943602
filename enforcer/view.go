package main

import (
	"iter"
	"net/netip"

	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/settings"
)

// view is what a source, a folder or an API server, says of the cluster at one
// moment. Immutable; a view and the one after it share what has not changed.
// Views are compared by identity: the same one means the same World.
type view interface {
	// World is the cluster as the node of that name sees it.
	World(node string, base settings.Settings) *policy.World
	// Settings are those in force on the node.
	Settings(node string, base settings.Settings) settings.Settings
	// Local are the pods of that node, which World has as well.
	Local(node string) []*policy.Pod
	// Addresses are those of that node's Node object.
	Addresses(node string) []netip.Addr
	// Closed are the parts of policies that the source could not understand,
	// each with the words for it.
	Closed() iter.Seq2[policy.Problem, string]
	// Interface is the host-side interface that the source names for the pod of
	// that UID; "" where it names none.
	Interface(uid string) string
}
