"""A kazoo client that works until it has lived through a lost connection, then checks what it was told.

    working      once a few writes are acknowledged
    done         when the connection was lost and is back, and everything acknowledged is there

An election sends every session to look for a server; the session and its ephemeral must survive that.
"""

import sys
import threading
import time

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import ConnectionLoss, NodeExistsError, OperationTimeoutError, SessionExpiredError
from kazoo.recipe.lock import Lock

WRITES_BEFORE = 20
WRITES_AFTER = 20
LIMIT_SECONDS = 60


def say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def create(zk, path):
    while True:
        try:
            return zk.create(path, path.encode())
        except NodeExistsError:
            return path  # The attempt before this one had been carried out.
        except (ConnectionLoss, OperationTimeoutError):
            time.sleep(0.05)


def main():
    suspended = threading.Event()
    zk = KazooClient(hosts=sys.argv[1], timeout=30)
    zk.add_listener(lambda state: suspended.set() if state == KazooState.SUSPENDED else None)
    zk.start(timeout=30)
    session = zk.client_id[0]
    zk.ensure_path("/round")
    zk.create("/round-alive", ephemeral=True)
    with Lock(zk, "/round-lock", "one"):
        say("locked")
    written = 0
    for written in range(WRITES_BEFORE):
        create(zk, f"/round/{written:05}")
    say("working")

    deadline = time.monotonic() + LIMIT_SECONDS
    while not suspended.is_set():
        assert time.monotonic() < deadline, "the connection was never lost"
        written += 1
        create(zk, f"/round/{written:05}")
    for _ in range(WRITES_AFTER):
        written += 1
        create(zk, f"/round/{written:05}")

    assert zk.client_id[0] == session, "another session than at the start"
    assert zk.exists("/round-alive"), "the ephemeral is gone and its session is not"
    zk.sync("/round")
    children = sorted(zk.get_children("/round"))
    assert children == [f"{n:05}" for n in range(written + 1)], children
    zk.stop()
    zk.close()
    say("done")


if __name__ == "__main__":
    try:
        main()
    except SessionExpiredError:
        say("the session was lost")
        sys.exit(1)
