// Package cluster drives a Kubernetes cluster as its users do: kubectl apply,
// kubectl exec, and questions to the API server. It knows pods, probes and
// traffic; it must not know nameward, policies or what anybody expects.
package cluster

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
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"sigs.k8s.io/yaml"
)

// Cluster is one cluster. It owns a kubectl proxy, which ends with Close.
type Cluster struct {
	// Agnhost is the image of test pods.
	Agnhost string
	// DNS is the server of test pods, empty for the cluster's.
	DNS string

	command []string // kubectl, and what leads to the cluster
	proxy   *exec.Cmd
	folder  string
	http    *http.Client
	turns   chan struct{}
}

// processes is how many kubectl run at a time, but for those that stream.
const processes = 12

// Open reaches the cluster with this command line, kubectl with its flags and
// what has to stand before it.
func Open(ctx context.Context, command []string) (*Cluster, error) {
	folder, err := os.MkdirTemp("", "nameward-e2e-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{command: command, folder: folder, turns: make(chan struct{}, processes)}
	socket := filepath.Join(folder, "api.sock")
	// Not bound to the context: what cleans up after an interruption asks, too.
	c.proxy = c.kubectl(context.WithoutCancel(ctx), "proxy", "--unix-socket="+socket)
	c.proxy.Stderr = os.Stderr
	if err := c.proxy.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start kubectl proxy: %w", err), os.RemoveAll(folder))
	}
	c.http = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	err = Await(ctx, 20*time.Second, "the API server", func(ctx context.Context) error { return c.Get(ctx, "/version", nil) })
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Close ends the proxy.
func (c *Cluster) Close() error {
	_ = c.proxy.Process.Kill()
	_ = c.proxy.Wait()
	return os.RemoveAll(c.folder)
}

// kubectl gets the signals of no terminal: who interrupts the tests wants them
// to clean up, with kubectl.
func (c *Cluster) kubectl(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.command[0], append(c.command[1:len(c.command):len(c.command)], args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	return cmd
}

// Kubectl runs it and returns what it wrote to standard output.
func (c *Cluster) Kubectl(ctx context.Context, input string, args ...string) (string, error) {
	c.turns <- struct{}{}
	defer func() { <-c.turns }()
	cmd := c.kubectl(ctx, args...)
	var out, problems bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &problems
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(problems.Bytes()))
	}
	return out.String(), nil
}

// Apply is kubectl apply of manifests: a text of one each, or an object.
func (c *Cluster) Apply(ctx context.Context, manifests ...any) error {
	text, err := documents(manifests)
	if err == nil {
		_, err = c.Kubectl(ctx, text, "apply", "-f", "-")
	}
	return err
}

// Delete is kubectl delete of manifests. It does not wait for finalizers.
func (c *Cluster) Delete(ctx context.Context, manifests ...any) error {
	text, err := documents(manifests)
	if err == nil {
		_, err = c.Kubectl(ctx, text, "delete", "--ignore-not-found", "--wait=false", "-f", "-")
	}
	return err
}

// documents makes one list: kubectl takes a mixture of YAML and JSON for either.
func documents(manifests []any) (string, error) {
	list := struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Items      []json.RawMessage `json:"items"`
	}{APIVersion: "v1", Kind: "List"}
	for _, m := range manifests {
		var data []byte
		var err error
		if text, ok := m.(string); ok {
			data, err = yaml.YAMLToJSONStrict([]byte(text))
		} else {
			data, err = json.Marshal(m)
		}
		if err != nil {
			return "", fmt.Errorf("read manifest %v: %w", m, err)
		}
		list.Items = append(list.Items, data)
	}
	data, err := json.Marshal(list)
	return string(data), err
}

// ErrNotFound says that the API server has no such object.
var ErrNotFound = errors.New("not found")

// Get asks the API server for a path and reads its JSON into the value; a
// *string gets the text, nil nothing.
func (c *Cluster) Get(ctx context.Context, path string, into any) error {
	return c.Send(ctx, http.MethodGet, path, nil, into)
}

// Send is any request. A body is a server-side apply if the method is PATCH.
func (c *Cluster) Send(ctx context.Context, method, path string, body, into any) error {
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		request.Header.Set("Content-Type", "application/apply-patch+yaml")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	data, err = io.ReadAll(response.Body)
	switch {
	case err != nil:
		return err
	case response.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%s %s: %w", method, path, ErrNotFound)
	case response.StatusCode >= 300:
		return fmt.Errorf("%s %s: %s: %.300s", method, path, response.Status, data)
	}
	switch into := into.(type) {
	case nil:
		return nil
	case *string:
		*into = string(data)
		return nil
	}
	return json.Unmarshal(data, into)
}

// Stream runs kubectl and hands each line of its output to the function, until
// the context ends. Close the returned function's context to end it.
func (c *Cluster) Stream(ctx context.Context, line func(string), args ...string) error {
	cmd := c.kubectl(ctx, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("kubectl %s: %w", strings.Join(args, " "), err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line(lines.Text())
	}
	if err := cmd.Wait(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("kubectl %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// pause is how long to wait before asking again.
const pause = 50 * time.Millisecond

// Await asks until there is no error, at most for the time given; then the last
// one is the reason. What is the thing awaited.
func Await(ctx context.Context, limit time.Duration, what string, ask func(context.Context) error) error {
	began := time.Now()
	for {
		err := ask(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Since(began) > limit:
			return fmt.Errorf("waited %s for %s: %w", limit, what, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}
