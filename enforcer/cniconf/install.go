package cniconf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nameward/nameward/enforcer/chain"
)

// ErrNoConfig is returned where the node's CNI has no configuration yet: it
// comes up after the enforcer. The binary is installed.
var ErrNoConfig = errors.New("no CNI configuration yet")

// rounds bounds how often a configuration is read again that changes while it
// is worked on.
const rounds = 10

// Install puts the binary at the path binary into the node's plugins, and the
// plugin's entry into the configuration that runtimes use. What is there
// already is left alone, so that it may be called any time. It returns the
// paths of the files that it changed.
func Install(p Place, binary string, config chain.Config) ([]string, error) {
	return install(p, binary, config, func(string) {})
}

func install(p Place, binary string, config chain.Config, before func(string)) ([]string, error) {
	entry, err := config.Entry()
	if err != nil {
		return nil, err
	}
	s, release, err := open(p, before)
	if err != nil {
		return nil, err
	}
	defer release()
	changed, err := s.placeBinary(binary)
	if err != nil {
		return changed, err
	}
	for range rounds {
		path, err := s.placeEntry(entry)
		if path != "" {
			changed = append(changed, path)
		}
		if err == nil && path == "" || err != nil && !errors.Is(err, errChanged) {
			return changed, err
		}
	}
	return changed, fmt.Errorf("%s: %w, %d times in a row", p.ConfDir, errChanged, rounds)
}

// placeBinary reads piece by piece: it is called for every change of the
// directories, and the plugin is some megabytes.
func (s *site) placeBinary(from string) ([]string, error) {
	source, err := os.Open(from)
	if err != nil {
		return nil, fmt.Errorf("read the plugin (--binary): %w", err)
	}
	defer source.Close()
	path := filepath.Join(s.BinDir, chain.Plugin)
	if there, err := sameContent(source, path); err != nil || there {
		return nil, err
	}
	if _, err := source.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read the plugin (--binary): %w", err)
	}
	if err := s.put("place the binary", path, source, 0o755, nil); err != nil {
		return nil, err
	}
	return []string{path}, nil
}

// sameContent tells whether path is an executable with the content of source.
func sameContent(source io.Reader, path string) (bool, error) {
	there, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the installed plugin: %w", err)
	}
	defer there.Close()
	info, err := there.Stat()
	if err != nil || info.Mode().Perm() != 0o755 {
		return false, err
	}
	a, b := make([]byte, 32<<10), make([]byte, 32<<10)
	for {
		n, left := io.ReadFull(source, a)
		m, right := io.ReadFull(there, b)
		if n != m || !bytes.Equal(a[:n], b[:m]) {
			return false, nil
		}
		if left != nil || right != nil {
			return ended(left) && ended(right), nil
		}
	}
}

func ended(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// placeEntry brings the entry into the configuration that runtimes use, and
// returns which file it changed: "" if it was there.
func (s *site) placeEntry(entry []byte) (string, error) {
	all, err := s.configs()
	if err != nil {
		return "", err
	}
	if len(all) == 0 {
		return "", fmt.Errorf("%w in %s", ErrNoConfig, s.ConfDir)
	}
	f, err := readFile(all[0])
	if errors.Is(err, fs.ErrNotExist) {
		return "", errChanged
	}
	if err != nil {
		return "", err
	}
	if filepath.Ext(f.path) != ".conflist" {
		return s.wrap(f, entry)
	}
	text, err := Insert(f.text, entry)
	if err != nil {
		return "", fmt.Errorf("%s: %w", f.path, err)
	}
	if bytes.Equal(text, f.text) {
		return "", nil
	}
	if err := s.replace("name the plugin", f, text); err != nil {
		return "", err
	}
	return f.path, nil
}

// wrap puts a list in the place of a single plugin's file. While both are
// there, runtimes use one or the other, and pods start with either.
func (s *site) wrap(f file, entry []byte) (string, error) {
	alone, err := wrap(f.text)
	if err != nil {
		return "", fmt.Errorf("%s: %w", f.path, err)
	}
	text, err := Insert(alone, entry)
	if err != nil {
		return "", fmt.Errorf("%s: %w", f.path, err)
	}
	path := listPath(f.path)
	if err := s.checkOurs(path, f); err != nil {
		return "", err
	}
	if err := s.put("place the list", path, bytes.NewReader(text), f.info.Mode().Perm(), f.info); err != nil {
		return "", err
	}
	if err := s.rename("set the single plugin aside", f.path, f.path+aside); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = errChanged
		}
		return path, err
	}
	moved, err := os.ReadFile(f.path + aside)
	if err != nil {
		return path, fmt.Errorf("read what was set aside: %w", err)
	}
	if !bytes.Equal(moved, f.text) {
		// It was written anew in this moment: it goes back, to be read.
		if err := s.rename("put back what changed", f.path+aside, f.path); err != nil {
			return path, err
		}
		if err := s.remove("remove the list of what changed", path); err != nil {
			return path, err
		}
		return path, fmt.Errorf("%s: %w", f.path, errChanged)
	}
	return path, nil
}

// checkOurs returns an error for a list that somebody else has put where that
// of f is to go.
func (s *site) checkOurs(path string, f file) error {
	there, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	if madeOf(there, f.text) {
		return nil
	}
	if before, err := os.ReadFile(f.path + aside); err == nil && madeOf(there, before) {
		return nil
	}
	return fmt.Errorf("%s is hidden from runtimes by %s, which comes first by name; remove the one that is not meant", path, f.path)
}

// madeOf tells whether a list is the one that Install makes of a single
// plugin's configuration, with the entry or without, and of nothing else.
func madeOf(text, single []byte) bool {
	alone, err := wrap(single)
	if err != nil {
		return false
	}
	text, err = Remove(text)
	return err == nil && same(text, alone)
}
