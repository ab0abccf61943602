// Package manifests reads a folder of Kubernetes manifests into a World, and
// again whenever the folder changes, so that the enforcer works without a
// cluster. It knows files, YAML and the fields of objects that matter; what
// policies mean is known to package convert, and nothing here decides a
// verdict or touches the kernel.
package manifests

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Load reads the files *.yaml, *.yml and *.json of the folder dir, which may
// hold many objects each: v1 Pod, Namespace, Node, Service, List and the
// ConfigMap "nameward" (settings), EndpointSlice, NetworkPolicy,
// ApplicationNetworkPolicy and both kinds of ClusterNetworkPolicy. Other files, hidden ones and subfolders
// are left alone.
//
// It gives a snapshot or an error, never both. The error joins one *Error for
// each fault; an unreadable folder gives the error of the file system. A rule,
// peer or port that is null or that this version does not understand is no
// error but closes its rule, and is told in Snapshot.Problems. A policy that
// does not say whom it selects is an error where its API demands that.
func Load(dir string) (*Snapshot, error) {
	files, err := readFolder(dir)
	if err != nil {
		return nil, err
	}
	return parse(files)
}

// file is one manifest as it was read.
type file struct {
	// path is for people, name is its part below the folder.
	path, name string
	content    []byte
}

func readFolder(dir string) ([]file, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the folder of manifests: %w", err)
	}
	var files []file
	var faults []error
	for _, entry := range entries {
		if !manifest(entry.Name()) {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		content, err := readFile(path)
		switch {
		case errors.Is(err, errFolder):
		case err != nil:
			faults = append(faults, &Error{File: path, Reason: reason(err)})
		default:
			files = append(files, file{path, entry.Name(), content})
		}
	}
	return files, join(faults)
}

// manifest leaves out hidden files: editors and ConfigMap mounts keep theirs
// beside the real ones.
func manifest(name string) bool {
	switch filepath.Ext(name) {
	case ".yaml", ".yml", ".json":
		return !strings.HasPrefix(name, ".")
	}
	return false
}

var errFolder = errors.New("is a folder")

// readFile refuses what is no file, for reading a pipe would wait for ever.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errFolder
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("is a %s; only files can be read", info.Mode().Type())
	}
	return os.ReadFile(path)
}

// reason is err without the path, which an Error names already.
func reason(err error) string {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return at.Op + ": " + at.Err.Error()
	}
	return err.Error()
}

// parse makes a snapshot of all files, or tells everything that is wrong.
func parse(files []file) (*Snapshot, error) {
	r := newReading()
	for _, f := range files {
		all, err := objects(f.path, f.content)
		if err != nil {
			r.faults = append(r.faults, err)
			continue
		}
		for i := range all {
			r.object(f.name, &all[i])
		}
	}
	r.checkPods()
	r.resolveServices()
	if len(r.faults) > 0 {
		return nil, join(r.faults)
	}
	r.imply()
	r.try()
	return r.snapshot, nil
}

// fingerprint changes whenever what Load would read does.
func fingerprint(files []file) [sha256.Size]byte {
	var all []byte
	for _, f := range files {
		sum := sha256.Sum256(f.content)
		all = binary.AppendUvarint(all, uint64(len(f.name)))
		all = slices.Concat(all, []byte(f.name), sum[:])
	}
	return sha256.Sum256(all)
}
