package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/hack/demo/product"
	"github.com/nameward/nameward/hack/demo/scene"
)

// folderPrefix begins the names of the runs' temporary folders.
const folderPrefix = "nameward-demo-"

// claim creates the run's folder and locks it for as long as the process lives,
// so that others know a run from what a killed one left behind.
func claim() (folder string, release func() error, err error) {
	folder, err = os.MkdirTemp("", folderPrefix)
	if err != nil {
		return "", nil, fmt.Errorf("create the run's folder: %w", err)
	}
	// Locked before it has its name, so that nobody sees it unlocked.
	lock, err := os.OpenFile(lockOf(folder)+".new", os.O_CREATE|os.O_RDWR|os.O_EXCL, 0o600)
	if err == nil {
		err = errors.Join(unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB), os.Rename(lock.Name(), lockOf(folder)))
	}
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("lock the run's folder: %w", err), os.RemoveAll(folder))
	}
	return folder, func() error { return errors.Join(os.RemoveAll(folder), lock.Close()) }, nil
}

func lockOf(folder string) string { return filepath.Join(folder, "lock") }

// netspacePrefix begins the names of the run's network namespaces.
func netspacePrefix(folder string) string {
	return "nw" + strings.TrimPrefix(filepath.Base(folder), folderPrefix)
}

// sweep removes what demos that were killed outright could not.
func sweep() error {
	folders, err := filepath.Glob(filepath.Join(os.TempDir(), folderPrefix+"*"))
	if err != nil {
		return err
	}
	var errs []error
	for _, folder := range folders {
		if abandoned(folder) {
			errs = append(errs, scene.Remove(netspacePrefix(folder)), product.Remove(folder), os.RemoveAll(folder))
		}
	}
	return errors.Join(errs...)
}

// abandoned says whether the folder is a run's whose process has gone. Only
// root's are looked at: everybody may write into the folder for temporary files.
func abandoned(folder string) bool {
	info, err := os.Lstat(folder)
	if err != nil || !info.IsDir() {
		return false
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); !ok || owner.Uid != 0 {
		return false
	}
	lock, err := os.OpenFile(lockOf(folder), os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer lock.Close()
	return unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}
