# Run `make` for the list of targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# As upstream CoreDNS builds: without the debugging pages of gRPC.
TAGS := grpcnotrace
BUILD := go build -trimpath -tags $(TAGS) -ldflags "-s -w -X main.version=$(VERSION)"

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  %-13s %s\n", $$1, $$2 }'

.PHONY: demo
demo: build ## show everything on this machine, in network namespaces of its own (root)
	bin/demo -coredns bin/coredns -enforcer bin/enforcer $(ARGS)

.PHONY: test
test: ## run all tests; without root, those that need it are skipped and named
	go tool gotestsum --format pkgname --post-run-command hack/test-summary -- -tags $(TAGS) -timeout 20m $(ARGS) ./...

.PHONY: bench
bench: build ## measure verdicts and policies, each figure against its baseline in the same run (root)
	go build -trimpath -o bin/bench ./hack/bench
	bin/bench -coredns bin/coredns -enforcer bin/enforcer -only kernel,names,compiler,cluster $(ARGS)

.PHONY: bench-dns
bench-dns: build ## measure the DNS side: throughput, holds, learning, growth, 5,000 enforcers (root, dnsperf)
	go build -trimpath -o bin/bench ./hack/bench
	bin/bench -coredns bin/coredns -enforcer bin/enforcer -limit 4m -only throughput,first,learning,growth,sessions $(ARGS)

.PHONY: bench-cluster
bench-cluster: build ## measure the enforcer at a real API server with 10,000 and 100,000 pods, some minutes (root, hack/lab/lab build)
	go build -trimpath -o bin/bench ./hack/bench
	bin/bench -coredns bin/coredns -enforcer bin/enforcer -limit 15m -only apiserver $(ARGS)

BUDGET ?= 60s
.PHONY: prove
prove: ## prove verdicts on random clusters, BUDGET=60s for each proof (root); SEED=, ONLY= see a failure again
	go build -trimpath -o bin/prove ./hack/prove
	bin/prove -budget $(BUDGET) -seed $(or $(SEED),0) -only '$(ONLY)' $(ARGS)

TRIALS ?= 2000
.PHONY: prove-names
prove-names: build ## prove names on three nodes and three CoreDNS under load and kills, TRIALS=2000 (root); SEED=, ONLY= see a failure again
	go build -trimpath -o bin/names ./hack/names
	bin/names -coredns bin/coredns -enforcer bin/enforcer -trials $(TRIALS) -seed $(or $(SEED),0) -only '$(ONLY)' $(ARGS)

.PHONY: oracles
oracles: ## hold rules against other people's models, and deploy/crds against an API server's validation
	cd hack/oracles && go test -timeout 10m $(ARGS) ./...

# What helm takes the cluster's version to be where there is none to ask.
HELM_KUBERNETES := -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=36 \
	-X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=36
.PHONY: helm
helm: ## build bin/helm, two minutes the first time
	cd hack/chart && go build -trimpath -ldflags "-s -w $(HELM_KUBERNETES)" -o ../../bin/helm helm.sh/helm/v3/cmd/helm

.PHONY: chart
chart: ## test deploy/chart and its documents; with NAMEWARD_KUBECONFIG against that API server too
	cd hack/chart && go test -timeout 10m $(ARGS) ./...

.PHONY: manifests
manifests: ## render deploy/manifests from the chart
	cp deploy/crds/*.yaml deploy/chart/nameward/crds/
	cd hack/chart && go run .

.PHONY: kernels
kernels: ## run the kernel's tests on older Linux, emulated (Debian: qemu-system-x86 busybox-static cpio xz-utils)
	for release in 6.1 6.12; do hack/vm/run $$release; done

.PHONY: lab
lab: ## start a Kubernetes cluster of 3 nodes on this machine (root); DUAL=1, CNI=bridge: see hack/lab/README.md
	hack/lab/lab build
	hack/lab/lab up $(or $(NODES),3)

.PHONY: image-tars
image-tars: ## build both images without a container engine: bin/images/enforcer.tar and coredns.tar
	cd hack/lab/src/mkimage && go build -trimpath -o ../../../../bin/mkimage .
	go run ./hack/image -version $(VERSION) -mkimage bin/mkimage

.PHONY: images
images: image-tars ## build them, and load them into the lab that is up
	hack/lab/lab load bin/images/enforcer.tar bin/images/coredns.tar

.PHONY: lab-down
lab-down: ## stop it, and put the machine back as it was
	hack/lab/lab down

.PHONY: e2e
e2e: helm ## test it in a real cluster: the lab (root), or ARGS="-kubeconfig FILE"; ARGS=-short, ARGS="-variant bridge", ARGS="-only article -keep"
	go build -trimpath -o bin/e2e ./hack/e2e
	bin/e2e -version $(VERSION) $(ARGS)

.PHONY: certs
certs: ## make certificates for a trial: NODES="n1 n2" OUT=dir; SERVERS="names of CoreDNS"
	go run ./hack/certs -out '$(OUT)' -nodes '$(NODES)' $(if $(SERVERS),-servers '$(SERVERS)') $(ARGS)

.PHONY: race
race: ## run the tests with Go's race detector
	go test -race -tags $(TAGS) -timeout 20m $(ARGS) ./enforcer/... ./plugin/...

.PHONY: fuzz
fuzz: ## give random bytes to every parser of what comes from outside, FUZZTIME=10s for each (root)
	hack/fuzz $(or $(FUZZTIME),10s)

.PHONY: semantics
semantics: ## table of what SEMANTICS.md promises and the tests of it
	go run ./hack/semantics -o hack/semantics/TABLE.md -check P,N,D1-D10,D12,S

.PHONY: mutants
mutants: ## break the product line by line, in a copy; each fault must be caught (root, clang-19)
	go run ./hack/mutants $(ARGS)

.PHONY: build
build: ## build bin/coredns, bin/enforcer, bin/kubectl-nameward and bin/demo
	$(BUILD) -o bin/coredns ./plugin/coredns
	$(BUILD) -o bin/enforcer ./enforcer
	$(BUILD) -o bin/kubectl-nameward ./enforcer/kubectl-nameward
	$(BUILD) -o bin/demo ./hack/demo

.PHONY: generate
generate: ## make the generated code anew (Debian 12: clang-19 llvm-19 libbpf-dev protobuf-compiler)
	go generate ./...

.PHONY: lint
lint: ## gofmt, vet, staticcheck, and the form of the C
	@test -z "$$(gofmt -l $$(git ls-files '*.go') | tee /dev/stderr)"
	go vet -tags $(TAGS) ./...
	go tool staticcheck -tags $(TAGS) ./...
	go build -o bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	cd hack/oracles && go vet ./... && ../../bin/staticcheck ./...
	cd hack/chart && go vet ./... && ../../bin/staticcheck ./...
	clang-format-19 --dry-run --Werror bpf/*.h bpf/*.c
