"""A kazoo client that writes until its standard input ends, and says what was acknowledged.

    writer.py HOSTS PAUSE_MS

    SESSION <id>       once
    ACK <n> <seconds>  for each /loss/<n> that a server has acknowledged, with the time on a steady clock
    STATE <state> <seconds>  whenever the connection changes
    DONE <n>           at the end
"""

import sys
import threading
import time

from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss, NodeExistsError, OperationTimeoutError
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.retry import KazooRetry


def say(*words):
    # One write for a line: kazoo's listener speaks from another thread, and the pieces of two prints can mix.
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def main():
    hosts, pause = sys.argv[1], float(sys.argv[2]) / 1000
    # An address that is not served for a moment is tried again at once: the service leads to another server.
    retry = KazooRetry(max_tries=-1, delay=0.02, backoff=1.5, max_delay=0.3)
    zk = KazooClient(hosts=hosts, timeout=30, connection_retry=retry)
    zk.add_listener(lambda state: say("STATE", state, time.monotonic()))
    zk.start(timeout=60)
    zk.ensure_path("/loss")
    session = zk.client_id[0]
    say("SESSION", session)

    stop = threading.Event()

    def listen():
        sys.stdin.readline()
        stop.set()

    threading.Thread(target=listen, daemon=True).start()
    number = 0
    while not stop.is_set():
        number += 1
        write(zk, f"/loss/{number:07}")
        say("ACK", number, time.monotonic())
        time.sleep(pause)
    assert zk.client_id[0] == session, "another session than at the start"
    say("DONE", number)
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
        except (ConnectionLoss, OperationTimeoutError, KazooTimeoutError):
            repeated = True
            time.sleep(0.01)


main()
