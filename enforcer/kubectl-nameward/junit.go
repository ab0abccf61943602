package main

import (
	"encoding/xml"
	"strings"
)

// The elements of JUnit's XML that every reader of it knows.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitFailure `xml:"failure"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// junit renders a report: a suite for each file.
func (r report) junit() ([]byte, error) {
	all := junitSuites{Tests: r.Passed + r.Failed, Failures: r.Failed}
	for _, f := range r.Files {
		suite := junitSuite{Name: f.File, Tests: len(f.Cases)}
		for _, c := range f.Cases {
			entry := junitCase{Class: f.File, Name: c.Name}
			if !c.Ok {
				suite.Failures++
				entry.Failure = &junitFailure{c.reason(), "policy", strings.Join(c.Failures, "\n")}
			}
			suite.Cases = append(suite.Cases, entry)
		}
		all.Suites = append(all.Suites, suite)
	}
	text, err := xml.MarshalIndent(all, "", "  ")
	return append([]byte(xml.Header), append(text, '\n')...), err
}
