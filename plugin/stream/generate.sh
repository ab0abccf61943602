#!/bin/sh
# Writes stream.pb.go and stream_grpc.pb.go. The generators come from go.mod's
# tool lines, protoc from PATH (Debian: protobuf-compiler 3.21.12, which the
# header of the generated files names).
set -eu
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
go build -o "$bin/" \
	google.golang.org/protobuf/cmd/protoc-gen-go \
	google.golang.org/grpc/cmd/protoc-gen-go-grpc
PATH="$bin:$PATH" protoc \
	--go_out=. --go_opt=paths=source_relative \
	--go-grpc_out=. --go-grpc_opt=paths=source_relative \
	stream.proto
