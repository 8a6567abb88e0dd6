"""A kazoo client that writes until its standard input ends, and says what was acknowledged.

    SESSION <id>       once
    ACK <n> <seconds>  for each /loss/<n> that a server has acknowledged, with the time on a steady clock
    STATE <state>      whenever the connection changes
    DONE <n>           at the end; the session stays open until the input's second line
"""

import sys
import threading
import time

from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss, NodeExistsError, OperationTimeoutError, SessionExpiredError


def say(*words):
    # One write for a line: kazoo's listener speaks from another thread, and the pieces of two prints can mix.
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def main():
    zk = KazooClient(hosts=sys.argv[1], timeout=30, randomize_hosts=False)
    zk.add_listener(lambda state: say("STATE", state))
    zk.start(timeout=60)
    zk.ensure_path("/loss")
    zk.create("/loss-ephemeral", ephemeral=True)
    session = zk.client_id[0]
    say("SESSION", session)

    stop = threading.Event()
    finish = threading.Event()

    def listen():
        sys.stdin.readline()
        stop.set()
        sys.stdin.readline()
        finish.set()

    threading.Thread(target=listen, daemon=True).start()
    number = 0
    while not stop.is_set():
        number += 1
        write(zk, f"/loss/{number:07}")
        say("ACK", number, time.monotonic())
    assert zk.client_id[0] == session, "another session than at the start"
    say("DONE", number)
    finish.wait()
    zk.stop()
    zk.close()


def write(zk, path):
    repeated = False
    while True:
        try:
            zk.create(path, path.encode())
            return
        except NodeExistsError:
            # Only after a broken connection can our own znode be there before we are told.
            assert repeated, path
            return
        except (ConnectionLoss, OperationTimeoutError):
            repeated = True
            time.sleep(0.01)
        except SessionExpiredError:
            say("STATE EXPIRED")
            raise


main()
