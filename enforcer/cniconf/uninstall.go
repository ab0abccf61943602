package cniconf

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nameward/nameward/enforcer/chain"
)

// Uninstall takes the plugin out of every configuration, then removes its
// binary, and leaves what was there before Install. It returns the paths of
// the files that it changed. Pods that run are not touched.
//
// CRI-O ends a pod with the configuration it was started with: drain such a
// node first, or a pod's end waits for a plugin that has gone.
func Uninstall(p Place) ([]string, error) { return uninstall(p, func(string) {}) }

func uninstall(p Place, before func(string)) ([]string, error) {
	s, release, err := open(p, before)
	if errors.Is(err, fs.ErrNotExist) {
		// No configurations, so none that names the binary.
		s, release, err = &site{Place: p, before: before}, func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	defer release()
	var changed []string
	for range rounds {
		var more []string
		more, err = s.forget()
		changed = append(changed, more...)
		if !errors.Is(err, errChanged) {
			break
		}
	}
	if err != nil {
		return changed, err
	}
	path := filepath.Join(p.BinDir, chain.Plugin)
	if _, err := os.Lstat(path); err != nil {
		return changed, ignoreMissing(err)
	}
	return append(changed, path), s.remove("remove the binary", path)
}

// forget takes the plugin out of all configurations.
func (s *site) forget() ([]string, error) {
	all, err := s.configs()
	if err != nil {
		return nil, ignoreMissing(err)
	}
	var changed []string
	for _, path := range all {
		did, err := s.forgetFile(path)
		if did {
			changed = append(changed, path)
		}
		if err != nil {
			return changed, err
		}
	}
	return changed, s.dropAside()
}

// forgetFile takes the plugin out of one configuration; a list that was made
// of a single plugin's file goes, and the file comes back.
func (s *site) forgetFile(path string) (bool, error) {
	f, err := readFile(path)
	if err != nil {
		if text, _ := os.ReadFile(path); bytes.Contains(text, []byte(chain.Plugin)) {
			return false, err
		}
		return false, nil
	}
	if !bytes.Contains(f.text, []byte(chain.Plugin)) {
		return false, nil
	}
	if single, ok := s.originOf(f); ok {
		if strings.HasSuffix(single, aside) {
			if err := s.rename("put the single plugin back", single, strings.TrimSuffix(single, aside)); err != nil {
				return false, err
			}
		}
		return true, s.remove("remove the list", path)
	}
	text, err := Remove(f.text)
	if err != nil {
		return false, fmt.Errorf("%s names %s and cannot be read, so the plugin stays: %w", path, chain.Plugin, err)
	}
	if bytes.Equal(text, f.text) {
		return false, nil
	}
	return true, s.replace("take the plugin's name out", f, text)
}

// originOf finds the single plugin's file that a list was made of: the file
// itself, where the node's CNI has written it again, or what was set aside.
func (s *site) originOf(list file) (string, bool) {
	if filepath.Ext(list.path) != ".conflist" {
		return "", false
	}
	stem := strings.TrimSuffix(list.path, ".conflist")
	for _, path := range []string{stem + ".conf", stem + ".json", stem + ".conf" + aside, stem + ".json" + aside} {
		single, err := os.ReadFile(path)
		if err == nil && madeOf(list.text, single) {
			return path, true
		}
	}
	return "", false
}

// dropAside ends what was set aside and whose list is no longer the one made
// of it. Where the node's CNI has written something in its place since, that
// counts; where nothing is there, it comes back.
func (s *site) dropAside() error {
	left, err := filepath.Glob(filepath.Join(s.ConfDir, "*"+aside))
	if err != nil {
		return fmt.Errorf("look for leftovers: %w", err)
	}
	for _, path := range left {
		single := strings.TrimSuffix(path, aside)
		if missing(single) && missing(listPath(single)) {
			err = s.rename("put back what has no list", path, single)
		} else {
			err = s.remove("remove what was set aside", path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func missing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
