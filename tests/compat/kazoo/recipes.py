"""kazoo and its recipes against the servers given as the first argument.

Every check is a function; its name is printed when it has passed. Nothing waits by time alone: each wait has a
condition, and a limit after which the check fails.
"""

import datetime
import sys
import threading
import time
import uuid

from kazoo.client import KazooClient
from kazoo.exceptions import (
    BadVersionError,
    LockTimeout,
    NoAuthError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    RolledBackError,
    RuntimeInconsistency,
)
from kazoo.protocol.states import EventType
from kazoo.security import make_acl, make_digest_acl, make_digest_acl_credential
from kazoo.recipe.watchers import PatientChildrenWatch

HOSTS = sys.argv[1]
LIMIT = 30
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def until(what, condition):
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, f"waited {LIMIT} s in vain for {what}"
        time.sleep(0.01)


def client(**options):
    new = KazooClient(hosts=HOSTS, timeout=10, **options)
    new.start(timeout=LIMIT)
    return new


class Clients:
    """Several clients, stopped at the end whatever happens."""

    def __init__(self, number, **options):
        self.clients = [client(**options) for _ in range(number)]

    def __enter__(self):
        return self.clients

    def __exit__(self, *_):
        for each in self.clients:
            each.stop()
            each.close()


def root():
    return f"/kazoo-{uuid.uuid4().hex}"


@check
def basic_operations(zk):
    path = root()
    assert zk.create(path, b"one") == path
    data, stat = zk.get(path)
    assert (data, stat.version, stat.dataLength) == (b"one", 0, 3)
    assert zk.set(path, b"two", version=0).version == 1
    for bad, error in [
        (lambda: zk.set(path, b"x", version=0), BadVersionError),
        (lambda: zk.create(path), NodeExistsError),
        (lambda: zk.get(path + "/none"), NoNodeError),
        (lambda: zk.delete(path), NotEmptyError),
    ]:
        zk.ensure_path(path + "/child")
        try:
            bad()
        except error:
            continue
        raise AssertionError(f"expected {error}")
    names = [zk.create(path + "/s-", sequence=True) for _ in range(3)]
    assert names == sorted(names) and names[0].endswith("-0000000001"), names
    made, stat = zk.create(path + "/stat", b"12", include_data=True)
    assert stat.dataLength == 2 and made == path + "/stat"
    assert sorted(zk.get_children(path)) == sorted(["child", "stat"] + [n.rsplit("/", 1)[1] for n in names])
    assert zk.sync(path) == path
    assert zk.exists(path + "/none") is None
    zk.delete(path, recursive=True)
    assert zk.exists(path) is None


@check
def ephemerals_go_with_their_session(zk):
    path = root()
    zk.create(path)
    with Clients(1) as (other,):
        other.create(path + "/e", ephemeral=True)
        assert zk.exists(path + "/e").ephemeralOwner == other.client_id[0]
    zk.sync(path)
    until("the ephemeral to go", lambda: zk.exists(path + "/e") is None)


@check
def watches(zk):
    path = root()
    seen = []
    assert zk.exists(path, watch=seen.append) is None
    zk.create(path)
    until("created", lambda: len(seen) == 1)
    zk.get(path, watch=seen.append)
    zk.get_children(path, watch=seen.append)
    zk.set(path, b"x")
    zk.create(path + "/c")
    until("changed and child", lambda: len(seen) == 3)
    assert [e.type for e in seen] == [EventType.CREATED, EventType.CHANGED, EventType.CHILD], seen


@check
def transaction(zk):
    path = root()
    zk.create(path, b"v")
    good = zk.transaction()
    good.check(path, 0)
    good.create(path + "/a", b"1")
    good.set_data(path + "/a", b"2")
    good.create(path + "/gone")
    good.delete(path + "/gone")
    results = good.commit()
    assert results[1] == path + "/a" and results[2].version == 1, results
    bad = zk.transaction()
    bad.create(path + "/b")
    bad.check(path, 77)
    bad.create(path + "/c")
    results = bad.commit()
    assert [type(r) for r in results] == [RolledBackError, BadVersionError, RuntimeInconsistency], results
    assert zk.get_children(path) == ["a"]


@check
def acl_and_digest(zk):
    path = root()
    acl = make_digest_acl("user", "secret", all=True)
    with Clients(1, auth_data=[("digest", "user:secret")]) as (owner,):
        owner.create(path, b"mine", acl=[acl])
        acls, stat = owner.get_acls(path)
        assert acls[0].id.id == make_digest_acl_credential("user", "secret"), acls
        zk.sync(path)
        for forbidden in (lambda: zk.get(path), lambda: zk.set(path, b""), lambda: zk.create(path + "/x")):
            try:
                forbidden()
            except NoAuthError:
                continue
            raise AssertionError("a stranger may do it")
        owner.set_acls(path, [acl, make_acl("world", "anyone", read=True)], version=stat.aversion)
        zk.sync(path)
        assert zk.get(path)[0] == b"mine"
    zk.add_auth("digest", "user:secret")
    zk.set(path, b"ours")


@check
def lock(zk):
    path, log = root(), []
    with Clients(3) as others:

        def work(each):
            for _ in range(3):
                with each.Lock(path, "worker"):
                    log.append("in")
                    log.append("out")

        run_all([threading.Thread(target=work, args=(c,)) for c in others])
        assert log == ["in", "out"] * 9, log
        held = others[0].Lock(path, "holder")
        held.acquire()
        assert zk.Lock(path).contenders() == ["holder"]
        try:
            others[1].Lock(path).acquire(timeout=0.2)
            raise AssertionError("two hold the lock")
        except LockTimeout:
            pass
        held.release()
        reader, second = others[0].ReadLock(path), others[1].ReadLock(path)
        assert reader.acquire(timeout=LIMIT) and second.acquire(timeout=LIMIT)
        assert not others[2].WriteLock(path).acquire(blocking=False)
        reader.release()
        second.release()


@check
def lock_of_a_lost_session_is_free(zk):
    path = root()
    with Clients(1) as (other,):
        other.Lock(path).acquire()
    assert zk.Lock(path).acquire(timeout=LIMIT)


@check
def election(zk):
    path, led = root(), []
    with Clients(3) as others:
        threads = [
            threading.Thread(target=c.Election(path, f"c{n}").run, args=(lambda n=n: led.append(n),))
            for n, c in enumerate(others)
        ]
        run_all(threads)
    assert sorted(led) == [0, 1, 2], led


@check
def semaphore(zk):
    path, guard, state = root(), threading.Lock(), {"now": 0, "most": 0}
    with Clients(4) as others:

        def work(each):
            with each.Semaphore(path, max_leases=2):
                with guard:
                    state["now"] += 1
                    state["most"] = max(state["most"], state["now"])
                each.sync(path)
                with guard:
                    state["now"] -= 1

        run_all([threading.Thread(target=work, args=(c,)) for c in others])
    assert 1 <= state["most"] <= 2, state


@check
def barrier(zk):
    path, through = root(), []
    with Clients(2) as (one, two):
        one.Barrier(path).create()
        waiter = threading.Thread(target=lambda: through.append(two.Barrier(path).wait(LIMIT)), daemon=True)
        waiter.start()
        until("the barrier to be watched", lambda: zk.exists(path) is not None)
        assert through == []
        assert one.Barrier(path).remove()
        run_all([waiter], started=True)
    assert through == [True]


@check
def double_barrier(zk):
    path, inside = root(), []
    with Clients(3) as others:

        def work(each):
            both = each.DoubleBarrier(path, 3)
            both.enter()
            inside.append(both.participating)
            both.leave()

        run_all([threading.Thread(target=work, args=(c,)) for c in others])
    assert inside == [True] * 3, inside


@check
def queue(zk):
    queue = zk.Queue(root())
    for value, priority in [(b"later", 200), (b"first", 10), (b"last", 300)]:
        queue.put(value, priority)
    assert len(queue) == 3
    assert [queue.get() for _ in range(4)] == [b"first", b"later", b"last", None]


@check
def locking_queue(zk):
    path = root()
    with Clients(2) as (producer, consumer):
        source, sink = producer.LockingQueue(path), consumer.LockingQueue(path)
        source.put_all([b"a", b"b", b"c"])
        got = []
        for _ in range(3):
            got.append(sink.get(timeout=LIMIT))
            assert sink.holds_lock() and sink.consume()
        assert got == [b"a", b"b", b"c"], got
        assert len(source) == 0


@check
def counter(zk):
    path = root()
    with Clients(3) as others:

        def work(each):
            mine = each.Counter(path)
            for _ in range(5):
                mine += 2
                mine -= 1

        run_all([threading.Thread(target=work, args=(c,)) for c in others])
        zk.sync(path)
        assert zk.Counter(path).value == 15, zk.Counter(path).value
    decimal = zk.Counter(path + "-float", default=1.5)
    decimal += 2.0
    assert decimal.value == 3.5


@check
def party(zk):
    path = root()
    with Clients(2) as (one, two):
        parties = [one.Party(path, "one"), two.Party(path, "two")]
        for each in parties:
            each.join()
        zk.sync(path)
        assert sorted(zk.Party(path)) == ["one", "two"]
        parties[0].leave()
        zk.sync(path)
        assert list(zk.Party(path)) == ["two"] and len(zk.ShallowParty(path)) == 1
    zk.sync(path)
    until("the party to end", lambda: len(zk.Party(path)) == 0)


@check
def data_watch(zk):
    path, seen = root(), []

    @zk.DataWatch(path)
    def changed(data, stat, event):
        seen.append((data, stat.version if stat else None))
        return True

    zk.create(path, b"0")
    until("created", lambda: (b"0", 0) in seen)
    zk.set(path, b"1")
    until("changed", lambda: (b"1", 1) in seen)
    zk.delete(path)
    until("deleted", lambda: seen[-1] == (None, None))
    zk.create(path, b"again")
    until("created again", lambda: seen[-1] == (b"again", 0))


@check
def children_watch(zk):
    path, seen = root(), []
    zk.create(path)

    @zk.ChildrenWatch(path)
    def changed(children):
        seen.append(sorted(children))
        return len(children) < 3

    for name in "abc":
        zk.create(f"{path}/{name}")
        until(name, lambda: name in seen[-1])
    zk.create(path + "/d")
    zk.sync(path)
    assert seen[0] == [] and seen[-1] == ["a", "b", "c"], seen
    patient = PatientChildrenWatch(zk, path, time_boundary=0.1).start()
    children, _ = patient.get(timeout=LIMIT)
    assert sorted(children) == ["a", "b", "c", "d"]


@check
def tree_cache_and_retry(zk):
    from kazoo.recipe.cache import TreeCache

    path = root()
    zk.create(path)
    cache = TreeCache(zk, path)
    cache.start()
    for n in range(5):
        zk.create(f"{path}/n{n}", str(n).encode())
    until("the cache", lambda: all(cache.get_data(f"{path}/n{n}") for n in range(5)))
    zk.set(path + "/n3", b"new")
    until("the change", lambda: cache.get_data(path + "/n3").data == b"new")
    cache.close()
    assert zk.retry(zk.get, path + "/n3")[0] == b"new"


@check
def lease(zk):
    path = root()
    with Clients(2) as (one, two):
        hour = datetime.timedelta(hours=1)
        assert one.NonBlockingLease(path, hour, identifier="one")
        two.sync(path)
        assert not two.NonBlockingLease(path, hour, identifier="two")


@check
def partitioner(zk):
    path, got = root(), []
    with Clients(2) as others:

        def work(each, name):
            parts = each.SetPartitioner(path, set=("a", "b", "c", "d"), identifier=name, time_boundary=0.5)
            until("a fair share", lambda: share(parts))
            got.extend(list(parts))
            until("both to have theirs", lambda: len(got) == 4)
            parts.finish()

        def share(parts):
            if parts.release:
                parts.release_set()
            elif parts.allocating:
                parts.wait_for_acquire(1)
            return parts.acquired and len(list(parts)) == 2

        run_all([threading.Thread(target=work, args=(c, f"c{n}")) for n, c in enumerate(others)])
    assert sorted(got) == ["a", "b", "c", "d"], got


@check
def many_requests_in_flight(zk):
    path = root()
    zk.create(path)
    writes = [zk.create_async(f"{path}/n{n:04}", b"x" * n) for n in range(500)]
    reads = [zk.get_async(f"{path}/n{n:04}") for n in range(500)]
    assert [w.get(timeout=LIMIT) for w in writes] == [f"{path}/n{n:04}" for n in range(500)]
    assert [len(r.get(timeout=LIMIT)[0]) for r in reads] == list(range(500))


def run_all(threads, started=False):
    for thread in threads:
        if not started:
            thread.daemon = True
            thread.start()
    for thread in threads:
        thread.join(LIMIT)
        assert not thread.is_alive(), "a recipe hangs"


def main():
    zk = client()
    for function in CHECKS:
        function(zk)
        print("ok", function.__name__, flush=True)
    zk.stop()
    zk.close()
    print(len(CHECKS), "checks passed")


main()
