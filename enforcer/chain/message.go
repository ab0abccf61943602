package chain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Version is the protocol that this package speaks.
const Version = 1

// verb is what is asked, and the path of the request.
type verb string

const (
	verbAdd    verb = "add"
	verbCheck  verb = "check"
	verbDel    verb = "del"
	verbGC     verb = "gc"
	verbStatus verb = "status"
)

const (
	// maxRequest bounds a request's body, in bytes: room for the name of
	// every sandbox that a node can have in a GC.
	maxRequest = 1 << 20
	maxAnswer  = 64 << 10
	maxValid   = 4096
)

// request is the body of every verb; what a verb does not use is absent.
type request struct {
	Version     int         `json:"version"`
	Attachment  *Attachment `json:"attachment,omitempty"`
	ContainerID string      `json:"containerID,omitempty"`
	// Valid are the containers that live; present, if only as an empty list,
	// in a GC: nothing said must not read as nothing lives.
	Valid *[]string `json:"valid,omitempty"`
}

// answer is the body of every answer. Error is "" where all went well.
type answer struct {
	Version int    `json:"version"`
	Error   string `json:"error,omitempty"`
}

// errVersion is told to a plugin of another version.
var errVersion = errors.New("protocol version differs")

// decode reads a request for v: it has nothing unknown, nothing that the verb
// does not use, and only values that can be true.
func decode(v verb, body []byte) (request, error) {
	var r request
	// The version is looked at alone first: a later one may have fields that
	// are unknown here.
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(body, &head); err != nil {
		return request{}, fmt.Errorf("read request: %w", err)
	}
	if head.Version != Version {
		return request{}, fmt.Errorf("%w: nameward-cni speaks %d, the enforcer %d; run \"enforcer cni install\" of this enforcer", errVersion, head.Version, Version)
	}
	if err := strictly(body, &r); err != nil {
		return request{}, fmt.Errorf("read request: %w", err)
	}
	return r, r.validate(v)
}

func (r request) validate(v verb) error {
	holds := v == verbAdd || v == verbCheck
	if (r.Attachment != nil) != holds || (r.ContainerID != "") != (v == verbDel) || (r.Valid != nil) != (v == verbGC) {
		return fmt.Errorf("request %q has not the fields of its kind: add and check have attachment, del has containerID, gc has valid, status none", v)
	}
	switch v {
	case verbAdd, verbCheck:
		if err := r.Attachment.Validate(); err != nil {
			return fmt.Errorf("attachment: %w", err)
		}
	case verbDel:
		return validateID(r.ContainerID)
	case verbGC:
		if len(*r.Valid) > maxValid {
			return fmt.Errorf("gc names %d containers; want %d at most", len(*r.Valid), maxValid)
		}
		for _, id := range *r.Valid {
			if err := validateID(id); err != nil {
				return err
			}
		}
	case verbStatus:
	}
	return nil
}

// strictly decodes one JSON value with known fields and nothing behind it.
func strictly(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON value")
	}
	return nil
}
