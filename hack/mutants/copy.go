package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// repositoryCopy is a folder with the files that git knows of, or would.
type repositoryCopy struct {
	root, folder string
	// whole are the files that were changed, as they were: the repository may
	// have gone on meanwhile.
	whole map[string]string
}

func newCopy(ctx context.Context, root string) (*repositoryCopy, error) {
	list := exec.CommandContext(ctx, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("list the repository's files: %w", err)
	}
	folder, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the copy: %w", err)
	}
	c := &repositoryCopy{root: root, folder: folder, whole: map[string]string{}}
	for name := range bytes.SplitSeq(bytes.TrimRight(out, "\x00"), []byte{0}) {
		// A file that was deleted and not committed yet is still listed.
		if err := c.take(string(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(err, c.remove())
		}
	}
	return c, nil
}

func (c *repositoryCopy) remove() error { return os.RemoveAll(c.folder) }

// take copies a file.
func (c *repositoryCopy) take(name string) error {
	from, to := filepath.Join(c.root, name), filepath.Join(c.folder, name)
	info, err := os.Lstat(from)
	if err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(from)
		if err != nil {
			return fmt.Errorf("copy: %w", err)
		}
		return os.Symlink(target, to)
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	return os.WriteFile(to, text, info.Mode().Perm())
}

// change puts another text in place of a file's.
func (c *repositoryCopy) change(name string, into func(string) (string, error)) error {
	text, err := os.ReadFile(filepath.Join(c.folder, name))
	if err != nil {
		return fmt.Errorf("read what to change: %w", err)
	}
	changed, err := into(string(text))
	if err != nil {
		return err
	}
	c.whole[name] = string(text)
	return os.WriteFile(filepath.Join(c.folder, name), []byte(changed), 0o644)
}

// restore undoes every change.
func (c *repositoryCopy) restore() error {
	var errs []error
	for name, text := range c.whole {
		errs = append(errs, os.WriteFile(filepath.Join(c.folder, name), []byte(text), 0o644))
	}
	clear(c.whole)
	return errors.Join(errs...)
}

// objects are what is compiled from the C.
var objects = []string{"bpf/kernel_bpfel.go", "bpf/kernel_bpfel.o"}

// compile makes the objects anew.
func (c *repositoryCopy) compile(ctx context.Context) error {
	for _, name := range objects {
		same := func(text string) (string, error) { return text, nil }
		if err := c.change(name, same); err != nil {
			return err
		}
	}
	if out, err := c.command(ctx, "go", "generate", "./bpf").CombinedOutput(); err != nil {
		return fmt.Errorf("compile the C: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// forget removes what failing property tests have left to repeat themselves by.
func (c *repositoryCopy) forget() error {
	return filepath.WalkDir(c.folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || !strings.HasSuffix(path, filepath.Join("testdata", "rapid")) {
			return err
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		return filepath.SkipDir
	})
}

func (c *repositoryCopy) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = c.folder
	// A skip for missing privilege would look like a mutant nobody minds.
	cmd.Env = append(os.Environ(), "NAMEWARD_REQUIRE_BPF=1", "PWD="+c.folder)
	return cmd
}
