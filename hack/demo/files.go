package main

import "embed"

// files are the policies, applied step by step. The numbered names without a
// letter are those of the article, unchanged.
//
//go:embed manifests/*.yaml
var files embed.FS
