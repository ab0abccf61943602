// Command image makes the images of deploy/images without a container engine:
// the root file systems, from the same Dockerfiles, and tars that containerd
// imports. It knows the few instructions those files use and the files of their
// base image; it must not know what the programs do.
//
//	go run ./hack/image -tag TAG -mkimage PROGRAM -out DIR [-arch ARCH] [enforcer] [coredns]
//
// Of each it leaves DIR/NAME/ and DIR/NAME.tar, an image nameward/NAME:TAG.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("image: ")
	var b build
	flag.StringVar(&b.out, "out", "bin/images", "folder to write to")
	flag.StringVar(&b.tag, "tag", "dev", "tag of the images")
	flag.StringVar(&b.version, "version", "unknown", "version that the programs name")
	flag.StringVar(&b.arch, "arch", runtime.GOARCH, "architecture, as Go names it")
	flag.StringVar(&b.mkimage, "mkimage", "", "program that packs a folder (hack/lab/src/mkimage); empty: folders only")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	names := flag.Args()
	if len(names) == 0 {
		names = []string{"enforcer", "coredns"}
	}
	for _, name := range names {
		if err := b.image(ctx, name); err != nil {
			log.Fatal(err)
		}
	}
}

// build is where things go and what they are called.
type build struct{ out, tag, version, arch, mkimage string }

func (b build) image(ctx context.Context, name string) error {
	file := filepath.Join("deploy", "images", name+".Dockerfile")
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read what %s is made of (run it in the repository's root): %w", name, err)
	}
	r, err := parse(string(text))
	if err != nil {
		return fmt.Errorf("%s:%w", file, err)
	}
	root := filepath.Join(b.out, name)
	if err := b.rootfs(ctx, r, root); err != nil {
		return fmt.Errorf("build %s: %w", name, err)
	}
	if b.mkimage == "" {
		return nil
	}
	pack := exec.CommandContext(ctx, b.mkimage, "-o", root+".tar", "-arch", b.arch, "-entrypoint", r.entrypoint,
		"-user", r.user, "-tag", "docker.io/nameward/"+name+":"+b.tag, root)
	pack.Stdout, pack.Stderr = os.Stdout, os.Stderr
	if err := pack.Run(); err != nil {
		return fmt.Errorf("pack %s: %w", root, err)
	}
	fmt.Println(root + ".tar")
	return nil
}

// rootfs builds the programs and puts them beside the base's files. Programs
// are kept in a folder beside it, for Go to see that they are up to date.
func (b build) rootfs(ctx context.Context, r recipe, root string) error {
	made, err := filepath.Abs(root + ".programs")
	if err != nil {
		return err
	}
	if err := os.RemoveAll(root); err != nil {
		return err
	}
	for name, data := range r.base {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			return err
		}
	}
	for _, command := range r.commands {
		run := exec.CommandContext(ctx, "/bin/sh", "-euc", command)
		run.Env = append(os.Environ(), r.env...)
		run.Env = append(run.Env, "TARGETOS=linux", "TARGETARCH="+b.arch, "VERSION="+b.version, "OUT="+made, "GOFLAGS=-buildvcs=false")
		run.Stdout, run.Stderr = os.Stdout, os.Stderr
		if err := run.Run(); err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
	}
	for from, to := range r.copies {
		if err := copyProgram(filepath.Join(made, from), filepath.Join(root, to)); err != nil {
			return err
		}
	}
	return nil
}

func copyProgram(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}
