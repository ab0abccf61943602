// Package cniconf puts the plugin nameward-cni behind the plugins of a node's
// CNI, and takes it away again, leaving what was there (SEMANTICS D9).
//
// It knows which configuration of a directory container runtimes use, how to
// change one entry of a JSON text and no other byte of it, and the order of
// steps in which a crash between any two leaves pods able to start: the binary
// is there before a configuration names it, and goes after. It must not know
// what the plugin does, nor the enforcer.
//
// # Which configuration
//
// Runtimes that follow libcni's convention (containerd, CRI-O) take the first
// file by name among *.conf, *.conflist and *.json. A .conflist gets the
// plugin's entry as its last. A file of a single plugin cannot have a second:
// as other chained plugins do, 10-x.conf becomes 10-x.conflist with the text
// of the file as its first plugin, and stays beside it as 10-x.conf.nameward,
// which no runtime reads. If the node's CNI writes 10-x.conf anew, its file is
// the first again, and is treated likewise; if it moves on to a 10-x.conflist
// of its own, that one takes the place of ours. What a CNI writes always wins,
// and gets the entry.
package cniconf
