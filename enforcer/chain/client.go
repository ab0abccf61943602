package chain

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// ErrAway is returned when no enforcer answers: there is none, it is just
// being replaced, or it has gone in the middle. To ask again may help.
var ErrAway = errors.New("no enforcer answers")

// Client is the plugin's end. Each call is a connection of its own, bounded by
// its context alone. An error that is neither ErrAway nor that of the context
// is the enforcer's answer.
type Client struct {
	// Socket is the path at which the enforcer listens.
	Socket string
}

// Add returns when the policy of the attachment's pod is in the kernel.
func (c Client) Add(ctx context.Context, a Attachment) error {
	return c.ask(ctx, verbAdd, request{Attachment: &a})
}

// Check asks whether it still is.
func (c Client) Check(ctx context.Context, a Attachment) error {
	return c.ask(ctx, verbCheck, request{Attachment: &a})
}

// Del tells that a container has ended.
func (c Client) Del(ctx context.Context, containerID string) error {
	return c.ask(ctx, verbDel, request{ContainerID: containerID})
}

// GC tells the containers that live; nil is none.
func (c Client) GC(ctx context.Context, valid []string) error {
	if valid == nil {
		valid = []string{}
	}
	return c.ask(ctx, verbGC, request{Valid: &valid})
}

// Status asks whether pods can be added.
func (c Client) Status(ctx context.Context) error { return c.ask(ctx, verbStatus, request{}) }

func (c Client) ask(ctx context.Context, v verb, q request) error {
	q.Version = Version
	if err := q.validate(v); err != nil {
		return err
	}
	body, err := json.Marshal(q)
	if err != nil {
		return fmt.Errorf("write request: %w", err)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", c.Socket)
	if err != nil {
		return away(ctx, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	response, err := exchange(ctx, conn, v, body)
	if err != nil {
		return away(ctx, err)
	}
	return read(response)
}

// away tells the end of the caller's patience from that of the enforcer.
func away(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("ask the enforcer: %w", ctx.Err())
	}
	return fmt.Errorf("%w: %w", ErrAway, err)
}

// exchange is a round of HTTP on one connection. The plugin is a process for
// each question, and smaller without http.Transport, which keeps connections.
func exchange(ctx context.Context, conn net.Conn, v verb, body []byte) (response, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://enforcer/"+string(v), bytes.NewReader(body))
	if err != nil {
		return response{}, err
	}
	q.Close = true
	if err := q.Write(conn); err != nil {
		return response{}, err
	}
	r, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, 2*maxAnswer)), q)
	if err != nil {
		return response{}, err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer))
	return response{status: r.StatusCode, body: text}, err
}

type response struct {
	status int
	body   []byte
}

func read(r response) error {
	var a answer
	// Fields that a later enforcer adds are no reason to keep a pod from
	// starting: the status is what counts.
	err := json.Unmarshal(r.body, &a)
	switch {
	case r.status == http.StatusOK && err == nil && a.Version == Version && a.Error == "":
		return nil
	case r.status == http.StatusServiceUnavailable:
		return fmt.Errorf("%w: %s", ErrAway, a.Error)
	case err == nil && a.Error != "":
		return fmt.Errorf("the enforcer answers: %s", a.Error)
	}
	return fmt.Errorf("the enforcer's answer is not understood (status %d, version %d; want %d)", r.status, a.Version, Version)
}
