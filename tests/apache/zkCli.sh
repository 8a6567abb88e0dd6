#!/bin/sh
# Apache's shell, as its distribution has it under this name.
home=$(dirname "$(dirname "$0")")
exec java -cp "$home/conf:$home/lib/*" org.apache.zookeeper.ZooKeeperMain "$@"
