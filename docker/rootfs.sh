#!/bin/sh
# Lays out an image's root directory: docker/rootfs.sh OUT [PREBUILT [PROGRAM]]
#
# PROGRAM is zookube-node or zookube-operator. PREBUILT is a directory with it, static, and beside it the list of its parts, named as
# below. Without it both are made here: static, so that an image with nothing else in it can run the program.
set -eu

out=${1:?usage: docker/rootfs.sh OUT [PREBUILT [PROGRAM]]}
prebuilt=${2:-}
program=${3:-zookube-node}
parts=zookube.cdx.json
[ "$program" = zookube-node ] || parts=$program.cdx.json

if [ -z "$prebuilt" ]; then
    host=$(rustc -vV | sed -n 's/^host: //p')
    # Randomness by system call: where the binary is static it would be read from /dev/urandom, which not every root has.
    # Names and line tables, which are most of a release build, are left out: a panic names its place without them.
    RUSTFLAGS='-C target-feature=+crt-static --cfg getrandom_backend="linux_getrandom"' CARGO_PROFILE_RELEASE_STRIP=symbols \
        cargo build --locked --release --package "$program" --target "$host"
    prebuilt=target/$host/release
    # The list of the server's image has the tools of its tarball, too.
    [ "$program" = zookube-node ] && only= || only="--package $program"
    # shellcheck disable=SC2086
    cargo run --locked --quiet --package xtask -- sbom "$prebuilt/$parts" $only
fi

mkdir -p "$out/usr/bin" "$out/usr/share/sbom"
install -m 755 "$prebuilt/$program" "$out/usr/bin/$program"
install -m 644 "$prebuilt/$parts" "$out/usr/share/sbom/$parts"

# The operator keeps nothing on a disk.
[ "$program" = zookube-node ] || exit 0

# Names that the binary answers to.
for name in zk zkCli.sh zkServer.sh; do
    ln -sf zookube-node "$out/usr/bin/$name"
done

# Open to whoever the container runs as; nobody can remove another's files.
mkdir -p "$out/data" "$out/datalog" "$out/logs" "$out/tmp" "$out/conf"
chmod 1777 "$out/data" "$out/datalog" "$out/logs" "$out/tmp" "$out/conf"
