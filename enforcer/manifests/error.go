package manifests

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/nameward/nameward/enforcer/policy"
)

// Error is one fault of one file.
type Error struct {
	// File is the path of the file, below the folder as the caller spelt it.
	File string
	// Line counts from 1 in the whole file; 0 means the file as such.
	Line int
	// Field is a path inside the object, or "".
	Field string
	// Reason says what is wrong and what would be right.
	Reason string
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(place{e.File, e.Line}.String())
	if e.Field != "" {
		b.WriteString(": " + e.Field)
	}
	return b.String() + ": " + e.Reason
}

// Problem is a part of a policy that is closed (P15), and where it is written.
type Problem struct {
	policy.Problem
	File string
	Line int
}

// String is the place, the object, the field and the reason.
func (p Problem) String() string {
	return fmt.Sprintf("%s: %s", place{p.File, p.Line}, p.Problem)
}

type place struct {
	file string
	line int
}

func (p place) String() string {
	if p.line == 0 {
		return p.file
	}
	return p.file + ":" + strconv.Itoa(p.line)
}

// most bounds how many faults are told at once: one cause often has many.
const most = 10

// join makes one error of the faults, in order.
func join(faults []error) error {
	if left := len(faults) - most; left > 0 {
		faults = append(faults[:most:most], fmt.Errorf("and %d more", left))
	}
	return errors.Join(faults...)
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:unmarshal errors:\n *)?line (\d+): (.*)`)

// countsFromZero are the messages of the grammar, whose lines count from 0;
// those of the scanner and of the decoder count from 1.
var countsFromZero = regexp.MustCompile(`^did not find expected (',|'-'|key|node content|<)`)

// syntaxError finds the line in what the YAML parser says. Where it names
// none, the fault is at line.
func syntaxError(file string, line int, err error) *Error {
	reason := strings.TrimPrefix(err.Error(), "yaml: ")
	if found := yamlLine.FindStringSubmatch(err.Error()); found != nil {
		line, _ = strconv.Atoi(found[1])
		reason = found[2]
		if countsFromZero.MatchString(reason) {
			line++
		}
	}
	return &Error{File: file, Line: line, Reason: reason}
}
