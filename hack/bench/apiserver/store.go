package apiserver

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/runtime"
)

// Record is an object as the API server keeps it in etcd.
type Record struct {
	Key   string
	Value []byte
}

// marshaler is an object of a built-in kind.
type marshaler interface{ Marshal() ([]byte, error) }

// record writes an object as the API server does: what it is around what it says,
// in protobuf, behind four bytes that tell it from JSON.
func record(key, version, kind string, o marshaler) (Record, error) {
	raw, err := o.Marshal()
	if err != nil {
		return Record{}, fmt.Errorf("encode %s: %w", key, err)
	}
	text, err := (&runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: version, Kind: kind}, Raw: raw}).Marshal()
	if err != nil {
		return Record{}, fmt.Errorf("encode %s: %w", key, err)
	}
	return Record{"/registry/" + key, append([]byte("k8s\x00"), text...)}, nil
}

const (
	// loaders is how many write at a time, batch how much of a transaction's
	// usual limit of 128 operations each uses.
	loaders = 4
	batch   = 100
)

// Load puts objects into etcd directly, a hundred at a time, and those who watch
// are told of them as of any others. To create 100,000 pods and then their status
// through the API server takes a machine of two processors many minutes, and
// leaves the same.
func (s *Server) Load(ctx context.Context, all iter.Seq2[Record, error]) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(loaders)
	var some []Record
	flush := func() {
		records := some
		group.Go(func() error { return s.put(ctx, records) })
		some = nil
	}
	for r, err := range all {
		if err != nil {
			_ = group.Wait()
			return err
		}
		if some = append(some, r); len(some) == batch {
			flush()
		}
		if ctx.Err() != nil {
			break
		}
	}
	if len(some) > 0 {
		flush()
	}
	return group.Wait()
}

// put writes by the JSON form of etcd's interface: bytes are base64 there, as
// encoding/json has them.
func (s *Server) put(ctx context.Context, records []Record) error {
	type put struct {
		Key   []byte `json:"key"`
		Value []byte `json:"value"`
	}
	type operation struct {
		Put put `json:"request_put"`
	}
	var transaction struct {
		Success []operation `json:"success"`
	}
	for _, r := range records {
		transaction.Success = append(transaction.Success, operation{put{[]byte(r.Key), r.Value}})
	}
	text, err := json.Marshal(transaction)
	if err != nil {
		return err
	}
	return ask(ctx, s.store, http.MethodPost, etcd+"/v3/kv/txn", "application/json", bytes.NewReader(text))
}

// PutPod puts the nth pod there, in a namespace and on a node.
func (s *Server) PutPod(ctx context.Context, n int, namespace, on string) error {
	r, err := podRecord(n, namespace, on)
	if err != nil {
		return err
	}
	return s.put(ctx, []Record{r})
}

// RemovePod takes it away.
func (s *Server) RemovePod(ctx context.Context, n int, namespace string) error {
	r, err := podRecord(n, namespace, "")
	if err != nil {
		return err
	}
	text, err := json.Marshal(map[string][]byte{"key": []byte(r.Key)})
	if err != nil {
		return err
	}
	return ask(ctx, s.store, http.MethodPost, etcd+"/v3/kv/deleterange", "application/json", bytes.NewReader(text))
}
