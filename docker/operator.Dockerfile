# The operator's image.
#
#   docker build -f docker/operator.Dockerfile -t zookube-operator:0.1.0 .          one static binary, nothing else
#
# Runs as any user but root, on a read-only root filesystem, without a shell. What it is told and what it may: charts/zookube.
# Works with BuildKit and with the builder before it.

# What compiles. Anything with Rust, a C compiler and `strip` will do; a shell will do where PREBUILT is given.
ARG BUILDER_IMAGE=rust:1.95-bookworm

FROM ${BUILDER_IMAGE} AS builder
# A directory of the build context with a static zookube-operator and its zookube-operator.cdx.json, to be taken instead of compiling.
ARG PREBUILT=
WORKDIR /build
COPY . .
RUN sh docker/rootfs.sh /out "${PREBUILT}" zookube-operator

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
COPY --from=builder /out/ /
LABEL org.opencontainers.image.title="zookube-operator" \
      org.opencontainers.image.description="ZooKeeper ensembles on Kubernetes" \
      org.opencontainers.image.source="https://github.com/zookube/zookube" \
      org.opencontainers.image.documentation="https://github.com/zookube/zookube/blob/main/docs/operating/installing.md" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH=/usr/bin
# Any other will do: nothing is written.
USER 65532:65532
# /metrics, /livez, /readyz.
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/zookube-operator"]
CMD ["run"]
