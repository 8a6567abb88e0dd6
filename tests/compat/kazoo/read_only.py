"""kazoo on a server that has lost its quorum.

Arguments: that server's address. Ends with 0 when a client that agrees to a read-only server reads `/read-only` there, is
refused when it writes, and goes on by itself with a writable session when the line `back` on standard input has said that the
quorum is there again.
"""

import sys
import threading

from kazoo.client import KazooClient, KeeperState
from kazoo.exceptions import NotReadOnlyCallError

LIMIT = 30

client = KazooClient(hosts=sys.argv[1], timeout=10, read_only=True)
writable = threading.Event()


@client.add_listener
def look(_):
    if client.client_state == KeeperState.CONNECTED:
        writable.set()


client.start(timeout=LIMIT)
assert client.client_state == KeeperState.CONNECTED_RO, client.client_state
assert client.get("/read-only")[0] == b"0"
assert client.exists("/nothing") is None
for write in (lambda: client.set("/read-only", b"1"), lambda: client.create("/n"), lambda: client.sync("/")):
    try:
        write()
    except NotReadOnlyCallError:
        continue
    raise AssertionError("a write on a read-only server")
print("read", flush=True)

assert sys.stdin.readline() == "back\n"
assert writable.wait(LIMIT), f"still {client.client_state}"
client.set("/read-only", b"1")
assert client.get("/read-only")[0] == b"1"
client.stop()
print("written", flush=True)
