"""Says which of the writer's znodes a server has: reader.py HOSTS, and on the line behind NODES their numbers."""

import sys

from kazoo.client import KazooClient

zk = KazooClient(hosts=sys.argv[1], timeout=30)
zk.start(timeout=60)
zk.sync("/loss")
print("NODES", " ".join(sorted(zk.get_children("/loss"))))
zk.stop()
zk.close()
