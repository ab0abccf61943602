package cniconf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Place is where a node has its CNI, as this process sees it.
type Place struct {
	// ConfDir has the configurations (/etc/cni/net.d on the host), BinDir the
	// plugins (/opt/cni/bin).
	ConfDir, BinDir string
}

// site is a Place while it is worked on, by one process at a time.
type site struct {
	Place
	// before is called ahead of each step that others can see.
	before func(step string)
}

// errChanged is returned where a file is no longer what it was read as.
var errChanged = errors.New("the file was changed at the same time")

const (
	// scrap begins the names of files in the making. Runtimes go by
	// extensions, and know neither of these.
	scrap = ".nameward-"
	// aside is added to the name of a file whose text is in a list of ours.
	aside = ".nameward"
)

// open locks the configurations against other installers: in an upgrade the
// old and the new enforcer may both watch.
func open(p Place, before func(string)) (*site, func(), error) {
	dir, err := os.Open(p.ConfDir)
	if err != nil {
		return nil, nil, fmt.Errorf("open the directory of CNI configurations (--conf-dir): %w", err)
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("lock %s: %w", p.ConfDir, err), dir.Close())
	}
	s := &site{Place: p, before: before}
	release := func() { _ = dir.Close() } // which ends the lock
	if err := errors.Join(sweep(p.ConfDir), sweep(p.BinDir)); err != nil {
		release()
		return nil, nil, err
	}
	return s, release, nil
}

// sweep removes what a killed installer left in the making.
func sweep(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, scrap+"*"))
	if err != nil {
		return fmt.Errorf("look for leftovers: %w", err)
	}
	for _, path := range left {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove a leftover: %w", err)
		}
	}
	return nil
}

// configs are the paths of the configurations in the order in which runtimes
// look at them.
func (s *site) configs() ([]string, error) {
	entries, err := os.ReadDir(s.ConfDir)
	if err != nil {
		return nil, fmt.Errorf("read the directory of CNI configurations (--conf-dir): %w", err)
	}
	var found []string
	for _, e := range entries {
		if !e.IsDir() && slices.Contains([]string{".conf", ".conflist", ".json"}, filepath.Ext(e.Name())) {
			found = append(found, filepath.Join(s.ConfDir, e.Name()))
		}
	}
	slices.Sort(found)
	return found, nil
}

// file is a file as it was read.
type file struct {
	path string
	text []byte
	info fs.FileInfo
}

// readFile reads a regular file; one that is none is an error, since to
// replace a link by a file would not leave what was there.
func readFile(path string) (file, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return file{}, fmt.Errorf("look at %s: %w", path, err)
	}
	if !info.Mode().IsRegular() {
		return file{}, fmt.Errorf("%s is a %v; want a regular file", path, info.Mode().Type())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return file{}, fmt.Errorf("read configuration: %w", err)
	}
	return file{path: path, text: text, info: info}, nil
}

// draft writes a text beside path, with the permissions and owner of info, and
// brings it to the disk: a rename must not outlive its content in a power cut.
func draft(path string, text io.Reader, mode fs.FileMode, like fs.FileInfo) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), scrap+"*")
	if err != nil {
		return "", fmt.Errorf("make a file beside %s: %w", path, err)
	}
	_, err = io.Copy(f, text)
	if err = errors.Join(err, giveTo(f, like), f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return "", errors.Join(fmt.Errorf("write beside %s: %w", path, err), os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// giveTo gives f the owner of another file, if there is one. Where that is its
// own already, no capability is asked for.
func giveTo(f *os.File, like fs.FileInfo) error {
	if like == nil {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	mine, _ := info.Sys().(*syscall.Stat_t)
	theirs, _ := like.Sys().(*syscall.Stat_t)
	if mine == nil || theirs == nil || mine.Uid == theirs.Uid && mine.Gid == theirs.Gid {
		return nil
	}
	return f.Chown(int(theirs.Uid), int(theirs.Gid))
}

// put gives path a new text, whatever it had.
func (s *site) put(step, path string, text io.Reader, mode fs.FileMode, like fs.FileInfo) error {
	made, err := draft(path, text, mode, like)
	if err != nil {
		return err
	}
	return s.rename(step, made, path)
}

func (s *site) rename(step, from, to string) error {
	s.before(step)
	if err := os.Rename(from, to); err != nil {
		return errors.Join(fmt.Errorf("rename to %s: %w", to, err), os.RemoveAll(from))
	}
	return settle(filepath.Dir(to))
}

func (s *site) remove(step, path string) error {
	s.before(step)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	return settle(filepath.Dir(path))
}

// settle brings a directory's names to the disk.
func settle(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open %s: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}

// replace gives f a new text, if nobody has changed the file since it was
// read: a node's CNI may write it in the same moment, and what it writes must
// not be lost. The files are exchanged and what comes out is looked at.
func (s *site) replace(step string, f file, text []byte) error {
	made, err := draft(f.path, bytes.NewReader(text), f.info.Mode().Perm(), f.info)
	if err != nil {
		return err
	}
	s.before(step)
	wanted := f.text
	for {
		err := unix.Renameat2(unix.AT_FDCWD, made, unix.AT_FDCWD, f.path, unix.RENAME_EXCHANGE)
		switch {
		case errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS):
			// A file system that cannot exchange: the moment stays open.
			return s.rename(step, made, f.path)
		case errors.Is(err, unix.ENOENT):
			return errors.Join(fmt.Errorf("%s: %w", f.path, errChanged), os.Remove(made))
		case err != nil:
			return errors.Join(fmt.Errorf("exchange %s: %w", f.path, err), os.Remove(made))
		}
		out, err := os.ReadFile(made)
		if err != nil {
			return fmt.Errorf("read what %s had: %w", f.path, err)
		}
		if bytes.Equal(out, wanted) {
			err = errors.Join(os.Remove(made), settle(filepath.Dir(f.path)))
			if err == nil && !bytes.Equal(wanted, f.text) {
				err = fmt.Errorf("%s: %w", f.path, errChanged)
			}
			return err
		}
		// Somebody's newer text came out: it goes back, and ours must be what
		// comes out for it.
		wanted = text
	}
}

// listPath is where the list goes that is made of a single plugin's file.
func listPath(path string) string {
	return strings.TrimSuffix(path, filepath.Ext(path)) + ".conflist"
}
