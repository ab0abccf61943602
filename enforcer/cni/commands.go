package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"

	"github.com/nameward/nameward/enforcer/chain"
	"github.com/nameward/nameward/enforcer/datapath"
)

// plugin answers one command of a runtime.
type plugin struct {
	out, log io.Writer
}

// delPatience bounds a DEL and a GC: the enforcer notices by itself that a pod
// has gone, it only learns it later.
const delPatience = 2 * time.Second

func (p plugin) add(args *skel.CmdArgs) error {
	config, result, err := read(args)
	if err != nil {
		return err
	}
	a, err := attachment(args, result)
	if err == nil {
		err = p.admit(config, a)
	} else if config.Mode == chain.BestEffort {
		p.say("ADD", args.ContainerID, "pod starts without, mode is best-effort, and nothing judges its packets: %v", err)
		err = nil
	}
	if err != nil {
		return err
	}
	return result.print(p.out)
}

// admit returns when the pod's policy is in the kernel. Best effort lets a pod start
// without, but not open.
func (p plugin) admit(config chain.Config, a chain.Attachment) error {
	err := ask(config, func(ctx context.Context, c chain.Client) error { return c.Add(ctx, a) })
	if err == nil || config.Mode == chain.Required {
		return err
	}
	p.say("ADD", a.ContainerID, "pod starts without, mode is best-effort, its interface has the start posture: %v", err)
	if failed := shut(config, a); failed != nil && !errors.Is(failed, datapath.ErrInUse) {
		return later{types.NewError(types.ErrTryAgainLater, "a pod that starts without its policy must not be open, and its interface cannot be shut: "+failed.Error(), err.Error()), failed}
	}
	return nil
}

func (p plugin) check(args *skel.CmdArgs) error {
	config, result, err := read(args)
	if err != nil {
		return err
	}
	if err := p.told(config, args, result, chain.Client.Check); err != nil {
		if config.Mode == chain.Required {
			return err
		}
		p.say("CHECK", args.ContainerID, "%v", err)
	}
	return nil
}

// told has the enforcer asked about the attachment.
func (p plugin) told(config chain.Config, args *skel.CmdArgs, result result, call func(chain.Client, context.Context, chain.Attachment) error) error {
	a, err := attachment(args, result)
	if err != nil {
		return err
	}
	return ask(config, func(ctx context.Context, c chain.Client) error { return call(c, ctx, a) })
}

// del succeeds whatever happens: the spec wants DEL to end as much as it can,
// and a pod that could not be deleted for an absent enforcer would stay.
func (p plugin) del(args *skel.CmdArgs) error {
	config, err := chain.ParseConfig(args.StdinData)
	if err != nil {
		p.say("DEL", args.ContainerID, "configuration: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), min(config.Timeout, delPatience))
	defer cancel()
	if err := (chain.Client{Socket: config.Socket}).Del(ctx, args.ContainerID); err != nil {
		p.say("DEL", args.ContainerID, "not told to the enforcer, which finds out by itself: %v", err)
	}
	return nil
}

func (p plugin) gc(args *skel.CmdArgs) error {
	config, err := parseConfig(args)
	if err != nil {
		return err
	}
	valid, err := validAttachments(args.StdinData)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), min(config.Timeout, delPatience))
	defer cancel()
	if err := (chain.Client{Socket: config.Socket}).GC(ctx, valid); err != nil {
		if config.Mode == chain.Required {
			return types.NewError(types.ErrTryAgainLater, "the enforcer is not told which attachments live", explain(config, err))
		}
		p.say("GC", "", "%v", err)
	}
	return nil
}

// validAttachments are the containers that a GC lets live. A runtime that says
// nothing has not said that nothing lives; null is how libcni says that.
func validAttachments(stdin []byte) ([]string, error) {
	const key = "cni.dev/valid-attachments"
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(stdin, &keys); err != nil {
		return nil, types.NewError(types.ErrDecodingFailure, "read configuration: "+err.Error(), "")
	}
	text, ok := keys[key]
	if !ok {
		return nil, types.NewError(types.ErrInvalidNetworkConfig, "GC has no "+key+"; want the list of attachments that live, if only an empty one", "")
	}
	var said []types.GCAttachment
	if err := json.Unmarshal(text, &said); err != nil {
		return nil, types.NewError(types.ErrDecodingFailure, "read "+key+": "+err.Error(), "")
	}
	valid := make([]string, 0, len(said))
	for _, a := range said {
		valid = append(valid, a.ContainerID)
	}
	return valid, nil
}

// status tells a runtime not to start pods that would only fail. It waits for
// the enforcer as ADD does: a node is not called unready for the second in
// which its enforcer is replaced.
func (p plugin) status(args *skel.CmdArgs) error {
	config, err := parseConfig(args)
	if err != nil || config.Mode != chain.Required {
		return err
	}
	err = ask(config, func(ctx context.Context, c chain.Client) error { return c.Status(ctx) })
	if err == nil {
		return nil
	}
	// Without an enforcer, pods that run keep their policy but learn no
	// further names: that is what 51 is for (CNI spec, STATUS).
	code := types.ErrPluginNotAvailable
	if errors.Is(err, chain.ErrAway) {
		code = types.ErrLimitedConnectivity
	}
	var e *types.Error
	if !errors.As(err, &e) {
		return types.NewError(code, err.Error(), "")
	}
	return types.NewError(code, e.Msg, e.Details)
}

// again is how often an absent enforcer is looked for.
const again = 50 * time.Millisecond

// ask calls the enforcer within the timeout. Where it is away, it is looked for
// until then: it may be about to be replaced.
func ask(config chain.Config, call func(context.Context, chain.Client) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), config.Timeout)
	defer cancel()
	client := chain.Client{Socket: config.Socket}
	var away error
	for {
		err := call(ctx, client)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, context.DeadlineExceeded) && away != nil:
			return tryLater(config, away)
		case !errors.Is(err, chain.ErrAway):
			return tryLater(config, err)
		}
		away = err
		select {
		case <-ctx.Done():
			return tryLater(config, away)
		case <-time.After(again):
		}
	}
}

// later is an answer of ADD and CHECK that keeps what it was made for.
type later struct {
	answer *types.Error
	cause  error
}

func (l later) Error() string { return l.answer.Error() }

func (l later) Unwrap() []error { return []error{l.answer, l.cause} }

func tryLater(config chain.Config, err error) error {
	return later{types.NewError(types.ErrTryAgainLater, "the pod's network policy is not in the kernel: "+err.Error(), explain(config, err)), err}
}

// explain says what to look at; people see it in the pod's Events.
func explain(config chain.Config, err error) string {
	switch {
	case errors.Is(err, chain.ErrAway):
		return fmt.Sprintf("no enforcer at %s for %s. Check that the nameward-enforcer pod of this node runs, and its log; mode best-effort lets pods start without it, shut until it is back, and \"enforcer cni uninstall\" lets them start open", config.Socket, config.Timeout)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("the enforcer at %s was not done within %s (key timeout). Check the log of the nameward-enforcer pod of this node, and whether it reaches the API server", config.Socket, config.Timeout)
	}
	return "Check the log of the nameward-enforcer pod of this node"
}

func (p plugin) say(command, container, format string, args ...any) {
	fmt.Fprintf(p.log, "%s: %s %s: %s\n", chain.Plugin, command, container, fmt.Sprintf(format, args...))
}
