package chain

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Plugin is the plugin's type in a list of CNI plugins, and its file's name.
const Plugin = "nameward-cni"

const (
	// DefaultSocket is where the enforcer listens.
	DefaultSocket = "/run/nameward/enforcer.sock"
	// DefaultPins is the enforcer's pin directory.
	DefaultPins = "/sys/fs/bpf/nameward"
	// DefaultTimeout is how long a pod's start may wait for its policy.
	DefaultTimeout = 10 * time.Second
	// shortestTimeout leaves room for a round on a busy machine.
	shortestTimeout = 100 * time.Millisecond
)

// Mode is what happens to a pod that the enforcer does not answer for. The
// zero value is none.
type Mode uint8

const (
	// Required keeps the pod from starting.
	Required Mode = iota + 1
	// BestEffort lets it start; the start posture is on its interface, and what
	// Away says where no enforcer runs that knows the posture.
	BestEffort
)

// Away is what a pod may do that starts while no enforcer runs, until one does.
type Away uint8

const (
	// AwayClosed is the posture that every enforcer begins with.
	AwayClosed Away = iota
	AwayOpen
)

var aways = map[string]Away{"closed": AwayClosed, "open": AwayOpen}

// ParseAway reads it as it is written in configurations.
func ParseAway(s string) (Away, error) {
	if a, ok := aways[s]; ok {
		return a, nil
	}
	return AwayClosed, fmt.Errorf("away is %.80q; want \"closed\" or \"open\"", s)
}

func (a Away) String() string {
	if a == AwayOpen {
		return "open"
	}
	return "closed"
}

var modes = map[string]Mode{"required": Required, "best-effort": BestEffort}

// ParseMode reads a mode as it is written in configurations.
func ParseMode(s string) (Mode, error) {
	if m, ok := modes[s]; ok {
		return m, nil
	}
	return 0, fmt.Errorf("mode is %q; want \"required\" or \"best-effort\"", s)
}

func (m Mode) String() string {
	for s, mode := range modes {
		if mode == m {
			return s
		}
	}
	return "unknown"
}

// Config is the plugin's configuration.
type Config struct {
	Mode Mode
	// Socket is the absolute path of the enforcer's socket on the host.
	Socket string
	// Timeout is from 100 ms to LongestWait.
	Timeout time.Duration
	Away    Away
	// Pins is the absolute path of the enforcer's pin directory on the host.
	Pins string
}

// Validate returns an error that names what is wrong, and what would be right.
func (c Config) Validate() error {
	if c.Mode != Required && c.Mode != BestEffort {
		return errors.New("mode is missing; want \"required\" or \"best-effort\"")
	}
	if !filepath.IsAbs(c.Socket) || len(c.Socket) > maxPath {
		return fmt.Errorf("socket is %q; want an absolute path of at most %d bytes", c.Socket, maxPath)
	}
	if !filepath.IsAbs(c.Pins) {
		return fmt.Errorf("pins is %q; want an absolute path", c.Pins)
	}
	if c.Timeout < shortestTimeout || c.Timeout > LongestWait {
		return fmt.Errorf("timeout is %q; want a duration from %s to %s", c.Timeout, shortestTimeout, LongestWait)
	}
	return nil
}

// Entry is the plugin's entry in a list of CNI plugins.
func (c Config) Entry() ([]byte, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Type    string `json:"type"`
		Mode    string `json:"mode"`
		Socket  string `json:"socket"`
		Timeout string `json:"timeout"`
		Away    string `json:"away"`
		Pins    string `json:"pins"`
	}{Plugin, c.Mode.String(), c.Socket, c.Timeout.String(), c.Away.String(), c.Pins})
}

// keysOfRuntimes are the keys that the CNI spec knows, which a runtime adds to
// a plugin's entry before it runs the plugin.
var keysOfRuntimes = []string{
	"cniVersion", "name", "type", "prevResult", "args", "runtimeConfig", "capabilities",
	"cni.dev/valid-attachments", "cni.dev/attachments",
}

// ownKeys are the plugin's own.
var ownKeys = []string{"mode", "socket", "timeout", "away", "pins"}

// ParseConfig reads an entry as a runtime hands it to the plugin. A key that nobody
// knows is an error.
// The configuration is usable, with defaults for what is wrong, also where
// there is an error.
func ParseConfig(text []byte) (Config, error) {
	c := Config{Mode: Required, Socket: DefaultSocket, Timeout: DefaultTimeout, Pins: DefaultPins}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(text, &keys); err != nil {
		return c, fmt.Errorf("read the plugin's configuration: %w", err)
	}
	var faults []error
	for key, value := range keys {
		if slices.Contains(keysOfRuntimes, key) {
			continue
		}
		if err := c.set(key, value); err != nil {
			faults = append(faults, err)
		}
	}
	slices.SortFunc(faults, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return c, errors.Join(faults...)
}

// set takes one key of the plugin's own, unless its value is wrong.
func (c *Config) set(key string, value json.RawMessage) error {
	var s string
	if err := json.Unmarshal(value, &s); err != nil && slices.Contains(ownKeys, key) {
		return fmt.Errorf("%s is %.80s; want a string", key, value)
	}
	next := *c
	var err error
	switch key {
	case "mode":
		next.Mode, err = ParseMode(s)
	case "socket":
		next.Socket = s
	case "timeout":
		if next.Timeout, err = time.ParseDuration(s); err != nil {
			err = fmt.Errorf("timeout is %.80q; want a duration such as \"10s\"", s)
		}
	case "away":
		next.Away, err = ParseAway(s)
	case "pins":
		next.Pins = s
	default:
		err = fmt.Errorf("unknown key %.80q; nameward-cni has %s", key, strings.Join(ownKeys, ", "))
	}
	if err == nil {
		err = next.Validate()
	}
	if err == nil {
		*c = next
	}
	return err
}
