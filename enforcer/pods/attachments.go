package pods

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// containerID is what the CNI spec allows one to be, and safe as a file's name.
var containerID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,200}$`)

// attachments are what the chain told, with a file for each, so that a
// restarted enforcer knows. Owned by one goroutine.
type attachments struct {
	dir  string // "" keeps none
	boot string
	log  *slog.Logger
	all  map[string]told
}

// told is one attachment and when it was told. Boot is the kernel's id of this
// boot: after the next one, interfaces' indices mean others.
type told struct {
	Attachment Attachment
	At         time.Time
	Boot       string
}

func openAttachments(dir string, log *slog.Logger) (*attachments, error) {
	a := &attachments{dir: dir, log: log, all: make(map[string]told)}
	if dir == "" {
		return a, nil
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil, fmt.Errorf("tell this boot from others: %w", err)
	}
	a.boot = strings.TrimSpace(string(boot))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of attachments: %w", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the directory of attachments: %w", err)
	}
	for _, file := range files {
		a.load(file.Name())
	}
	return a, nil
}

func (a *attachments) path(id string) string { return filepath.Join(a.dir, id+".json") }

func (a *attachments) load(name string) {
	id, ok := strings.CutSuffix(name, ".json")
	if !ok {
		return
	}
	text, err := os.ReadFile(filepath.Join(a.dir, name))
	var t told
	if err == nil {
		err = json.Unmarshal(text, &t)
	}
	if err == nil && t.Attachment.ContainerID != id {
		err = fmt.Errorf("it is about container %q", t.Attachment.ContainerID)
	}
	if err == nil && t.Boot == a.boot {
		a.all[id] = t
		return
	}
	if err != nil {
		a.log.Warn("what the CNI chain told before the restart cannot be read, and is looked for by other means", "file", a.path(id), "err", err)
	}
	_ = os.Remove(a.path(id)) // read again, it would be refused again
}

// add takes what the chain told. The file is put in place whole.
func (a *attachments) add(told told) error {
	id := told.Attachment.ContainerID
	if !containerID.MatchString(id) {
		return fmt.Errorf("%q is no container id of the CNI spec", id)
	}
	told.Boot = a.boot
	a.all[id] = told
	if a.dir == "" {
		return nil
	}
	text, err := json.Marshal(told)
	if err != nil {
		return fmt.Errorf("encode attachment %s: %w", id, err)
	}
	unfinished := a.path(id) + "~"
	if err := os.WriteFile(unfinished, text, 0o600); err != nil {
		return fmt.Errorf("keep attachment %s over a restart: %w", id, err)
	}
	if err := os.Rename(unfinished, a.path(id)); err != nil {
		return fmt.Errorf("keep attachment %s over a restart: %w", id, err)
	}
	return nil
}

func (a *attachments) forget(id string) {
	if _, ok := a.all[id]; !ok {
		return
	}
	delete(a.all, id)
	if a.dir == "" {
		return
	}
	if err := os.Remove(a.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.log.Warn("an attachment that has ended cannot be removed", "file", a.path(id), "err", err)
	}
}

// facts are the attachments in an order that is always the same.
func (a *attachments) facts() []*fact {
	all := make([]*fact, 0, len(a.all))
	for _, id := range slices.Sorted(maps.Keys(a.all)) {
		t := a.all[id]
		all = append(all, &fact{
			means: byChain, at: t.At, container: id, netns: t.Attachment.Netns,
			namespace: t.Attachment.Namespace, name: t.Attachment.Name, uid: t.Attachment.UID,
			ends:      []end{{name: t.Attachment.Interface, index: t.Attachment.IfIndex}},
			addresses: t.Attachment.Addresses, source: "the CNI chain",
		})
	}
	return all
}
