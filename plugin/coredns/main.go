// Package main is CoreDNS with the nameward plugin in its place of the chain.
// It says which plugins the build has and in which order; it must not hold any
// behaviour of its own.
package main

import (
	"fmt"
	"runtime/debug"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
)

// version is set by the linker at a release.
var version string

func main() {
	if err := dnsserver.SetDirectives(directives); err != nil {
		panic(err) // the list is a constant of this program, and tested
	}
	caddy.AppVersion = fmt.Sprintf("%s+nameward-%s", coremain.CoreVersion, versionOf(debug.ReadBuildInfo()))
	coremain.Run()
}

// versionOf names the build: by the linker's word, else by the revision.
func versionOf(info *debug.BuildInfo, ok bool) string {
	if version != "" {
		return version
	}
	if ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				return s.Value[:12]
			}
		}
	}
	return "devel"
}
