# The enforcer of each node, the chain plugin that it installs there, and the
# CLI for "kubectl exec":
#   docker buildx build --platform linux/amd64,linux/arm64 -f deploy/images/enforcer.Dockerfile \
#     --build-arg VERSION="$(git describe --tags --always)" -t REGISTRY/nameward/enforcer:TAG .
# hack/image makes the same of this file without a container engine; it knows
# the instructions used here, and refuses others.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ARG TARGETOS TARGETARCH VERSION=unknown OUT=/out
ENV CGO_ENABLED=0
WORKDIR /src
COPY . .
RUN GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o $OUT/enforcer ./enforcer
RUN GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o $OUT/nameward-cni ./enforcer/cni
RUN GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o $OUT/kubectl-nameward ./enforcer/kubectl-nameward

# Root, but with no more of its capabilities than the DaemonSet grants: an added
# capability reaches no other user's process.
FROM gcr.io/distroless/static-debian12
COPY --from=build /out/enforcer /enforcer
COPY --from=build /out/nameward-cni /nameward-cni
COPY --from=build /out/kubectl-nameward /kubectl-nameward
USER 0:0
ENTRYPOINT ["/enforcer"]
