package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestImagesAreWhatTheChartStarts: programs, users and entry points.
func TestImagesAreWhatTheChartStarts(t *testing.T) {
	for _, image := range []struct {
		sentence, name, user, entrypoint string
		programs                         []string
	}{
		{"the enforcer is root and brings the chain plugin and the CLI", "enforcer", "0:0", "/enforcer", []string{"/enforcer", "/kubectl-nameward", "/nameward-cni"}},
		{"CoreDNS is nobody in particular and alone", "coredns", "65532:65532", "/coredns", []string{"/coredns"}},
	} {
		t.Run(image.sentence, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "images", image.name+".Dockerfile"))
			if err != nil {
				t.Fatal(err)
			}
			r, err := parse(string(text))
			if err != nil {
				t.Fatal(err)
			}
			var programs []string
			for name, path := range r.copies {
				programs = append(programs, path)
				// built under the name by which it is copied
				built := slices.ContainsFunc(r.commands, func(c string) bool { return strings.Contains(c, "-o $OUT/"+name+" ./") })
				if !built {
					t.Errorf("%s is copied, and no RUN builds it", name)
				}
			}
			slices.Sort(programs)
			if r.user != image.user || r.entrypoint != image.entrypoint || !slices.Equal(programs, image.programs) {
				t.Errorf("got user %s, entry point %s, programs %v; want %s, %s, %v", r.user, r.entrypoint, programs, image.user, image.entrypoint, image.programs)
			}
			for _, command := range r.commands {
				if !strings.HasPrefix(command, "GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath ") {
					t.Errorf("got %q, want a build for the image's architecture", command)
				}
			}
			if !slices.Contains(r.env, "CGO_ENABLED=0") {
				t.Errorf("got environment %v, want CGO_ENABLED=0: the base has no C library", r.env)
			}
			if !strings.Contains(r.base["etc/passwd"], "nonroot:x:65532:65532:") {
				t.Errorf("got passwd %q, want nonroot with 65532", r.base["etc/passwd"])
			}
		})
	}
}

// TestUnknownInstructionsAreRefused: what this program did not do, the other
// way of building would, and the images would differ.
func TestUnknownInstructionsAreRefused(t *testing.T) {
	const good = "FROM golang AS build\nRUN go build -o $OUT/x ./x\nFROM gcr.io/distroless/static-debian12\nCOPY --from=build /out/x /x\nUSER 1:1\nENTRYPOINT [\"/x\"]\n"
	if _, err := parse(good); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ sentence, old, new, want string }{
		{"a command in the last stage", "USER", "RUN true\nUSER", "5: instruction RUN true"},
		{"another base", "static-debian12", "base", "3: what is in"},
		{"a folder is copied", "/out/x /x", "/out /", "4: COPY"},
		{"an entry point for a shell", "[\"/x\"]", "/x", "6: ENTRYPOINT /x"},
		{"no user", "USER 1:1\n", "", "1: a second stage"},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			_, err := parse(strings.Replace(good, row.old, row.new, 1))
			if err == nil || !strings.HasPrefix(err.Error(), row.want) {
				t.Errorf("got %v, want %s…", err, row.want)
			}
		})
	}
}
