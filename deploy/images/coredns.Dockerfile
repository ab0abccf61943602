# CoreDNS with the plugin nameward:
#   docker buildx build --platform linux/amd64,linux/arm64 -f deploy/images/coredns.Dockerfile \
#     --build-arg VERSION="$(git describe --tags --always)" -t REGISTRY/nameward/coredns:TAG .
# hack/image makes the same of this file without a container engine; it knows
# the instructions used here, and refuses others.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ARG TARGETOS TARGETARCH VERSION=unknown OUT=/out
ENV CGO_ENABLED=0
WORKDIR /src
COPY . .
# As upstream CoreDNS builds: without the debugging pages of gRPC.
RUN GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -tags grpcnotrace -ldflags "-s -w -X main.version=$VERSION" -o $OUT/coredns ./plugin/coredns

# Not root: the pod lets anybody listen on port 53 (net.ipv4.ip_unprivileged_port_start).
FROM gcr.io/distroless/static-debian12
COPY --from=build /out/coredns /coredns
USER 65532:65532
ENTRYPOINT ["/coredns"]
