// Package bpf holds everything that crosses into the kernel: the programs, the
// layout of their tables and the meaning of their reasons. It knows packets and
// verdicts; it must not know where policies come from, nor decide when a table
// is written: that is enforcer/datapath, its only importer.
package bpf

// The objects are committed, so that building needs no clang. The pinned
// compiler is Debian 12's clang-19; CI builds them again and compares.
//
//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel -go-package bpf -cflags "-O2 -Wall -Wextra -Wno-unused-parameter -Werror -mcpu=v3 -Iinclude" -type action -type direction -type kind -type connection_flag -type idle -type reason -type denial -type flow -type connection -type grant -type endpoint -type stance -type cell -type tier Kernel nameward.c
