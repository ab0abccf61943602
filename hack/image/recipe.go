package main

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
)

// recipe is what a Dockerfile of two stages says.
type recipe struct {
	// env and commands are of the first stage: NAME=VALUE, and lines for a shell.
	env, commands []string
	// base are the files of the second stage's base image, by path.
	base map[string]string
	// copies are programs: their name in the folder $OUT, and their path.
	copies map[string]string
	// user is the numeric UID:GID, entrypoint the program.
	user, entrypoint string
}

// bases are the base images and what programs look for in them. Certificates
// of public authorities and time zones are left out: nothing in a lab is signed
// by the former, and logs are in UTC.
var bases = map[string]map[string]string{
	"gcr.io/distroless/static-debian12": {
		"etc/passwd":        "root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n",
		"etc/group":         "root:x:0:\nnobody:x:65534:\ntty:x:5:\nstaff:x:50:\nnonroot:x:65532:\n",
		"etc/nsswitch.conf": "hosts: files dns\n",
	},
}

// ignored are instructions of the first stage that only say where a container
// engine has its files: here the repository is the working directory.
var ignored = map[string]bool{"ARG TARGETOS TARGETARCH VERSION=unknown OUT=/out": true, "WORKDIR /src": true, "COPY . .": true}

// parse reads a Dockerfile. What it does not know is an error with its line.
func parse(text string) (recipe, error) {
	r := recipe{copies: make(map[string]string)}
	stage := 0
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		if word == "FROM" {
			stage++
		}
		if err := r.instruct(stage, word, rest); err != nil {
			return recipe{}, fmt.Errorf("%d: %w", i+1, err)
		}
	}
	if r.base == nil || r.entrypoint == "" || r.user == "" || len(r.copies) == 0 {
		return recipe{}, fmt.Errorf("1: a second stage with FROM, COPY --from=build, USER and ENTRYPOINT is wanted")
	}
	return r, nil
}

func (r *recipe) instruct(stage int, word, rest string) error {
	switch {
	case stage == 1 && word == "FROM" && strings.HasSuffix(rest, " AS build"), stage == 1 && ignored[word+" "+rest]:
		return nil
	case stage == 1 && word == "ENV":
		r.env = append(r.env, rest)
	case stage == 1 && word == "RUN":
		r.commands = append(r.commands, rest)
	case stage == 2 && word == "FROM":
		r.base = bases[rest]
		if r.base == nil {
			return fmt.Errorf("what is in %s is not known here; known is gcr.io/distroless/static-debian12", rest)
		}
	case stage == 2 && word == "COPY":
		return r.copy(strings.Fields(rest))
	case stage == 2 && word == "USER":
		r.user = rest
	case stage == 2 && word == "ENTRYPOINT":
		return r.enter(rest)
	default:
		return fmt.Errorf("instruction %s %s is not known here", word, rest)
	}
	return nil
}

func (r *recipe) copy(words []string) error {
	if len(words) != 3 || words[0] != "--from=build" || path.Dir(words[1]) != "/out" || path.Dir(words[2]) != "/" {
		return fmt.Errorf("COPY %s: only --from=build /out/NAME /NAME is known here", strings.Join(words, " "))
	}
	r.copies[path.Base(words[1])] = words[2]
	return nil
}

func (r *recipe) enter(list string) error {
	var words []string
	if err := json.Unmarshal([]byte(list), &words); err != nil || len(words) != 1 {
		return fmt.Errorf("ENTRYPOINT %s: only [\"/PROGRAM\"] is known here", list)
	}
	r.entrypoint = words[0]
	return nil
}
