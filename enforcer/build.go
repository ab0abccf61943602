package main

import "runtime/debug"

// build says which program this is.
type build struct{ version, revision, goVersion string }

// version is set by the linker in releases.
var version = ""

func readBuild() build {
	b := build{version: version, revision: "unknown", goVersion: "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.goVersion = info.GoVersion
	if b.version == "" {
		b.version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			b.revision = s.Value
		}
	}
	return b
}
