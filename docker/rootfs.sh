#!/bin/sh
# Lays out the image's root directory: docker/rootfs.sh OUT [PREBUILT]
#
# PREBUILT is a directory with a static zookube-node and, beside it, the list of its parts, zookube.cdx.json. Without it both
# are made here: static, so that an image with nothing else in it can run the server.
set -eu

out=${1:?usage: docker/rootfs.sh OUT [PREBUILT]}
prebuilt=${2:-}

if [ -z "$prebuilt" ]; then
    host=$(rustc -vV | sed -n 's/^host: //p')
    # Randomness by system call: where the binary is static it would be read from /dev/urandom, which not every root has.
    # Names and line tables, which are most of a release build, are left out: a panic names its place without them.
    RUSTFLAGS='-C target-feature=+crt-static --cfg getrandom_backend="linux_getrandom"' CARGO_PROFILE_RELEASE_STRIP=symbols \
        cargo build --locked --release --package zookube-node --target "$host"
    prebuilt=target/$host/release
    cargo run --locked --quiet --package xtask -- sbom "$prebuilt/zookube.cdx.json"
fi

mkdir -p "$out/usr/bin" "$out/usr/share/sbom"
install -m 755 "$prebuilt/zookube-node" "$out/usr/bin/zookube-node"
install -m 644 "$prebuilt/zookube.cdx.json" "$out/usr/share/sbom/zookube.cdx.json"
# Names that the binary answers to.
for name in zk zkCli.sh zkServer.sh; do
    ln -sf zookube-node "$out/usr/bin/$name"
done

# Open to whoever the container runs as; nobody can remove another's files.
mkdir -p "$out/data" "$out/datalog" "$out/logs" "$out/tmp" "$out/conf"
chmod 1777 "$out/data" "$out/datalog" "$out/logs" "$out/tmp" "$out/conf"
