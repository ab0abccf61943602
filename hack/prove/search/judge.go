package search

import (
	"errors"
	"fmt"
	"strings"
)

// errEnd is what ends a check early, as a test's goroutine would be ended.
var errEnd = errors.New("the check has ended")

// judge stands for the *testing.T of a check outside of go test.
type judge struct {
	failed bool
	text   strings.Builder
}

func (j *judge) Helper()      {}
func (j *judge) Name() string { return "prove" }
func (j *judge) Failed() bool { return j.failed }
func (j *judge) Fail()        { j.failed = true }
func (j *judge) FailNow()     { j.failed = true; panic(errEnd) }
func (j *judge) SkipNow()     { panic(errEnd) }

// Logs are rapid's draws, which say less than the tale of the case.
func (j *judge) Log(...any)          {}
func (j *judge) Logf(string, ...any) {}

func (j *judge) Error(args ...any)    { j.Errorf("%s", fmt.Sprint(args...)) }
func (j *judge) Fatal(args ...any)    { j.Fatalf("%s", fmt.Sprint(args...)) }
func (j *judge) Skip(...any)          { j.SkipNow() }
func (j *judge) Skipf(string, ...any) { j.SkipNow() }
func (j *judge) Errorf(format string, args ...any) {
	j.failed = true
	fmt.Fprintf(&j.text, format+"\n", args...)
}
func (j *judge) Fatalf(format string, args ...any) { j.Errorf(format, args...); j.FailNow() }
