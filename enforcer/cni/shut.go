package main

import (
	"context"
	"time"

	"github.com/nameward/nameward/enforcer/chain"
	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/policy"
)

// shutPatience bounds the wait for others that shut interfaces: a node that boots
// starts its pods all at once.
const shutPatience = 30 * time.Second

// shut keeps a pod that starts without its policy from being open (D9): whoever
// else would shut its interface is away. The next enforcer takes it over.
//
// Returns datapath.ErrInUse where an enforcer runs, which shuts it by itself.
func shut(config chain.Config, a chain.Attachment) error {
	ctx, cancel := context.WithTimeout(context.Background(), shutPatience)
	defer cancel()
	posture := datapath.Posture{Verdict: policy.Deny}
	if config.Away == chain.AwayOpen {
		posture.Verdict = policy.Allow
	}
	node, err := datapath.NodeAddresses()
	if err != nil {
		return err
	}
	posture.Node = node
	return datapath.ShutAway(ctx, datapath.Config{Pin: config.Pins}, datapath.Interface{Name: a.Interface, Index: a.IfIndex}, posture)
}
