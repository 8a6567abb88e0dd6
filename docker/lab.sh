#!/bin/sh
# Three servers in containers on a bridge of their own, without Compose.
#
#   docker/lab.sh up [--subnet 172.28.0.0/24] [--ip 172.28.0.11]   network, volumes, zk1 to zk3 at three addresses from --ip on
#   docker/lab.sh check [--subnet ...] [--ip ...]                  only looks at the addresses
#   docker/lab.sh status                                           who leads
#   docker/lab.sh cut zk2 | heal zk2                               takes a server off the network, puts it back
#   docker/lab.sh down [--volumes]                                 containers and network; the data stays without --volumes
#
# ZOOKUBE_IMAGE (zookube:zookube) is the image, ZOOKUBE_LAB (zookube-lab) begins the names of what is made.
set -eu

image=${ZOOKUBE_IMAGE:-zookube:zookube}
lab=${ZOOKUBE_LAB:-zookube-lab}
subnet=172.28.0.0/24
first=
volumes=no

fail() {
    echo "lab.sh: $1" >&2
    exit 1
}

usage() {
    sed -n '2,/^set/{/^# \{0,1\}/s///p;}' "$0" >&2
    exit 2
}

# 172.28.0.11 -> 2887516171
number() {
    case $1 in
    *[!0-9.]* | .* | *. | *..*) fail "$1 is no IPv4 address" ;;
    esac
    saved=$IFS
    IFS=.
    # shellcheck disable=SC2086
    set -- $1 "$1"
    IFS=$saved
    [ $# -eq 5 ] || fail "$(eval echo "\${$#}") is no IPv4 address: expected four numbers"
    for part in "$1" "$2" "$3" "$4"; do
        [ "$part" -le 255 ] || fail "$5 is no IPv4 address: $part is above 255"
    done
    echo $((($1 << 24) | ($2 << 16) | ($3 << 8) | $4))
}

# 2887516171 -> 172.28.0.11
dotted() {
    echo "$(($1 >> 24 & 255)).$(($1 >> 16 & 255)).$(($1 >> 8 & 255)).$(($1 & 255))"
}

# Sets `lowest` and `highest` of a subnet such as 172.28.0.0/24.
range() {
    case $1 in
    */*) ;;
    *) fail "$1 is no subnet: expected an address and the length of its prefix, as in 172.28.0.0/24" ;;
    esac
    prefix=${1#*/}
    case $prefix in
    '' | *[!0-9]*) fail "$1 is no subnet: the prefix length $prefix is no number" ;;
    esac
    if [ "$prefix" -lt 8 ] || [ "$prefix" -gt 29 ]; then
        fail "$1: a prefix length of $prefix does not do. hint: 8 to 29, a lab needs six addresses"
    fi
    base=$(number "${1%/*}") || exit 1
    size=$((1 << (32 - prefix)))
    lowest=$((base & ~(size - 1)))
    highest=$((lowest + size - 1))
    [ "$base" -eq "$lowest" ] || fail "$1 is no subnet: it begins at $(dotted "$lowest")/$prefix"
}

is_private() {
    for block in 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16; do
        from=$(number "${block%/*}")
        length=$((1 << (32 - ${block#*/})))
        if [ "$1" -ge "$from" ] && [ "$2" -lt $((from + length)) ]; then
            return 0
        fi
    done
    return 1
}

# Sets `first_number`; refuses what Docker would refuse later and with fewer words, or would not notice at all.
check_addresses() {
    range "$subnet"
    if ! is_private "$lowest" "$highest"; then
        echo "lab.sh: warning: $subnet is public address space: while the network is up this machine cannot reach the" \
            "real owners of these addresses. hint: private are 10.0.0.0/8, 172.16.0.0/12 (to 172.31.255.255) and" \
            "192.168.0.0/16; take 172.28.0.0/24" >&2
    fi
    # The bridge itself has the subnet's first address.
    [ -n "$first" ] || first=$(dotted $((lowest + ($highest - $lowest > 15 ? 11 : 2))))
    first_number=$(number "$first") || exit 1
    if [ "$first_number" -lt $((lowest + 2)) ] || [ $((first_number + 2)) -ge "$highest" ]; then
        fail "$first to $(dotted $((first_number + 2))) are not addresses for containers in $subnet: expected three between \
$(dotted $((lowest + 2))) and $(dotted $((highest - 1))). hint: a container's address must lie in its network's subnet; \
give --ip one of these, or --subnet the one that $first is in"
    fi
}

address() {
    dotted $((first_number + $1 - 1))
}

start() {
    docker run --detach --name "$lab-zk$1" --hostname "zk$1" --network-alias "zk$1" \
        --network "$lab" --ip "$(address "$1")" --restart unless-stopped --read-only --tmpfs /tmp \
        --volume "$lab-zk$1-data:/data" --volume "$lab-zk$1-datalog:/datalog" \
        --env 'ZOOKUBE_PEERS=zk{ordinal}:2888:3888;2181' --env ZOOKUBE_REPLICAS=3 --env ZOO_AUTOPURGE_PURGEINTERVAL=1 \
        "$image" >/dev/null
    echo "zk$1 is at $(address "$1"):2181"
}

up() {
    check_addresses
    docker network create --driver bridge --subnet "$subnet" --label "dev.zookube.lab.first=$first" "$lab" >/dev/null
    for id in 1 2 3; do
        start "$id"
    done
}

status() {
    for id in 1 2 3; do
        echo "zk$id: $(docker exec "$lab-zk$id" zkServer.sh status 2>/dev/null | grep '^Mode' || echo 'no answer')"
    done
}

member() {
    case ${1:-} in
    zk[123]) ;;
    *) fail "there is no server ${1:-without a name}: expected zk1, zk2 or zk3" ;;
    esac
}

heal() {
    first=$(docker network inspect --format '{{index .Labels "dev.zookube.lab.first"}}' "$lab")
    first_number=$(number "$first")
    docker network connect --ip "$(address "${1#zk}")" --alias "$1" "$lab" "$lab-$1"
}

down() {
    for id in 1 2 3; do
        docker rm --force "$lab-zk$id" >/dev/null 2>&1 || true
    done
    docker network rm "$lab" >/dev/null 2>&1 || true
    [ "$volumes" = yes ] || return 0
    for id in 1 2 3; do
        docker volume rm "$lab-zk$id-data" "$lab-zk$id-datalog" >/dev/null
    done
}

verb=${1:-}
[ $# -eq 0 ] || shift
name=
while [ $# -gt 0 ]; do
    case $1 in
    --subnet) subnet=${2:?--subnet needs a value} && shift ;;
    --ip) first=${2:?--ip needs a value} && shift ;;
    --volumes) volumes=yes ;;
    -*) fail "unknown option $1" ;;
    *) name=$1 ;;
    esac
    shift
done

case $verb in
up) up ;;
check)
    check_addresses
    echo "zk1 $(address 1), zk2 $(address 2), zk3 $(address 3) in $subnet"
    ;;
status) status ;;
cut)
    member "$name"
    docker network disconnect "$lab" "$lab-$name"
    ;;
heal)
    member "$name"
    heal "$name"
    ;;
down) down ;;
*) usage ;;
esac
