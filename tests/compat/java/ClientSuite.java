import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.AsyncCallback;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.Transaction;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZKUtil;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooDefs.Perms;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.client.ZKClientConfig;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.ClientInfo;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;
import org.apache.zookeeper.server.auth.DigestAuthenticationProvider;

/**
 * Apache's own Java client against the servers of the connection string in args[0]: every operation it offers.
 *
 * Each check is a method listed in main; its name is printed when it has passed. The program ends with 0 if all have.
 */
public class ClientSuite {
    static final int SESSION_MS = 20_000;
    static final long LIMIT_S = 30;

    interface Check {
        void run(ZooKeeper zk, String root) throws Exception;
    }

    interface Condition {
        boolean holds() throws Exception;
    }

    final String servers;

    ClientSuite(String servers) {
        this.servers = servers;
    }

    /** A client with a queue of all events its watchers were given. */
    static final class Client implements AutoCloseable {
        final ZooKeeper zk;
        final BlockingQueue<WatchedEvent> events = new LinkedBlockingQueue<>();
        final BlockingQueue<KeeperState> states = new LinkedBlockingQueue<>();

        Client(String servers) throws Exception {
            CountDownLatch connected = new CountDownLatch(1);
            zk = new ZooKeeper(servers, SESSION_MS, event -> {
                states.add(event.getState());
                if (event.getState() == KeeperState.SyncConnected) {
                    connected.countDown();
                }
            });
            require(connected.await(LIMIT_S, TimeUnit.SECONDS), "a connection to " + servers);
        }

        /** Keeps changes of znodes; changes of the connection also come to every watcher, and are kept elsewhere. */
        void note(WatchedEvent event) {
            if (event.getType() != EventType.None) {
                events.add(event);
            }
        }

        WatchedEvent next() throws Exception {
            WatchedEvent event = events.poll(LIMIT_S, TimeUnit.SECONDS);
            require(event != null, "an event");
            return event;
        }

        void expect(EventType type, String path) throws Exception {
            WatchedEvent event = next();
            equal(type + " " + path, event.getType() + " " + event.getPath());
        }

        @Override
        public void close() throws Exception {
            zk.close();
        }
    }

    static void require(boolean condition, String what) {
        if (!condition) {
            throw new AssertionError("not so: " + what);
        }
    }

    static void equal(Object expected, Object actual) {
        if (!expected.equals(actual)) {
            throw new AssertionError("expected " + expected + ", got " + actual);
        }
    }

    static void until(String what, Condition condition) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_S);
        while (!condition.holds()) {
            require(System.nanoTime() < deadline, what);
            Thread.sleep(10);
        }
    }

    interface Action {
        void run() throws Exception;
    }

    static void fails(Code code, Action action) throws Exception {
        try {
            action.run();
        } catch (KeeperException e) {
            equal(code, e.code());
            return;
        }
        throw new AssertionError("expected " + code);
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String text(byte[] bytes) {
        return bytes == null ? "null" : new String(bytes, StandardCharsets.UTF_8);
    }

    void createModes(ZooKeeper zk, String root) throws Exception {
        Stat stat = new Stat();
        equal(root + "/p", zk.create(root + "/p", bytes("x"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, stat));
        equal(1, stat.getDataLength());
        equal(0L, stat.getEphemeralOwner());
        zk.create(root + "/e", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL, stat);
        equal(zk.getSessionId(), stat.getEphemeralOwner());
        equal(root + "/s0000000002", zk.create(root + "/s", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL));
        equal(root + "/es0000000003", zk.create(root + "/es", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL_SEQUENTIAL));
        zk.create(root + "/c", null, Ids.OPEN_ACL_UNSAFE, CreateMode.CONTAINER, stat);
        equal(0L, stat.getEphemeralOwner());
        zk.create(root + "/t", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, stat, 1_000_000);
        String ttl = zk.create(root + "/ts", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL,
            stat, 1_000_000);
        equal(root + "/ts0000000006", ttl);
        zk.create(root + "/c/child", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.create(root + "/t/child", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        fails(Code.NOCHILDRENFOREPHEMERALS,
            () -> zk.create(root + "/e/x", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));
        fails(Code.NODEEXISTS, () -> zk.create(root + "/p", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));
        fails(Code.NONODE, () -> zk.create(root + "/no/x", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));
        fails(Code.INVALIDACL, () -> zk.create(root + "/x", null, new ArrayList<>(), CreateMode.PERSISTENT));
        equal(7, zk.getChildren(root, false).size());
    }

    void dataAndVersions(ZooKeeper zk, String root) throws Exception {
        Stat created = new Stat();
        zk.create(root + "/d", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, created);
        Stat stat = new Stat();
        equal("null", text(zk.getData(root + "/d", false, stat)));
        equal(created, stat);
        Stat set = zk.setData(root + "/d", bytes("one"), 0);
        equal(1, set.getVersion());
        require(set.getMzxid() > set.getCzxid(), "mzxid moved");
        equal("one", text(zk.getData(root + "/d", false, stat)));
        equal(set, stat);
        equal(set, zk.exists(root + "/d", false));
        fails(Code.BADVERSION, () -> zk.setData(root + "/d", null, 0));
        fails(Code.BADVERSION, () -> zk.delete(root + "/d", 7));
        fails(Code.NOTEMPTY, () -> zk.delete(root, -1));
        zk.sync(root);
        zk.delete(root + "/d", 1);
        require(zk.exists(root + "/d", false) == null, "gone");
        byte[] large = new byte[1_000_000];
        Arrays.fill(large, (byte) 'x');
        zk.create(root + "/large", large, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        require(Arrays.equals(large, zk.getData(root + "/large", false, null)), "a megabyte comes back");
    }

    void children(ZooKeeper zk, String root) throws Exception {
        for (int i = 0; i < 300; i++) {
            zk.create(root + "/n" + i, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        }
        zk.create(root + "/n7/deep", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        Stat stat = new Stat();
        equal(300, zk.getChildren(root, false, stat).size());
        equal(300, stat.getNumChildren());
        equal(300, stat.getCversion());
        equal(301, zk.getAllChildrenNumber(root));
        require(ZKUtil.deleteRecursive(zk, root + "/n7", 16), "a tree deleted");
        equal(299, zk.getAllChildrenNumber(root));
    }

    void multi(ZooKeeper zk, String root) throws Exception {
        List<OpResult> results = zk.multi(Arrays.asList(
            Op.create(root + "/a", bytes("1"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT),
            Op.create(root + "/s", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL),
            Op.create(root + "/c", null, Ids.OPEN_ACL_UNSAFE, CreateMode.CONTAINER),
            Op.create(root + "/t", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, 1_000_000),
            Op.check(root + "/a", 0),
            Op.setData(root + "/a", bytes("2"), 0),
            Op.delete(root + "/c", -1)));
        equal(root + "/a", ((OpResult.CreateResult) results.get(0)).getPath());
        equal(root + "/s0000000001", ((OpResult.CreateResult) results.get(1)).getPath());
        equal(root + "/t", ((OpResult.CreateResult) results.get(3)).getPath());
        equal(1, ((OpResult.SetDataResult) results.get(5)).getStat().getVersion());
        require(results.get(4) instanceof OpResult.CheckResult, "a check result");
        require(results.get(6) instanceof OpResult.DeleteResult, "a delete result");
        try {
            zk.multi(Arrays.asList(Op.delete(root + "/a", -1), Op.check(root + "/none", 0), Op.delete(root + "/t", -1)));
            throw new AssertionError("a failing multi was carried out");
        } catch (KeeperException e) {
            List<Integer> codes = new ArrayList<>();
            e.getResults().forEach(r -> codes.add(((OpResult.ErrorResult) r).getErr()));
            equal(Arrays.asList(0, Code.NONODE.intValue(), Code.RUNTIMEINCONSISTENCY.intValue()), codes);
        }
        Transaction transaction = zk.transaction();
        transaction.setData(root + "/a", bytes("3"), 1).create(root + "/b", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        equal(2, transaction.commit().size());
        equal("3", text(zk.getData(root + "/a", false, null)));
    }

    void multiRead(ZooKeeper zk, String root) throws Exception {
        zk.create(root + "/a", bytes("1"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        List<OpResult> results = zk.multi(Arrays.asList(
            Op.getData(root + "/a"), Op.getChildren(root), Op.getData(root + "/none"), Op.getChildren(root + "/a")));
        equal("1", text(((OpResult.GetDataResult) results.get(0)).getData()));
        equal(Collections.singletonList("a"), ((OpResult.GetChildrenResult) results.get(1)).getChildren());
        equal(Code.NONODE.intValue(), ((OpResult.ErrorResult) results.get(2)).getErr());
        equal(0, ((OpResult.GetChildrenResult) results.get(3)).getChildren().size());
    }

    void oneShotWatches(ZooKeeper zk, String root) throws Exception {
        try (Client watcher = new Client(servers)) {
            watcher.zk.sync(root);
            String path = root + "/w";
            watcher.zk.exists(path, watcher::note);
            zk.create(path, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
            watcher.expect(EventType.NodeCreated, path);
            watcher.zk.getData(path, watcher::note, null);
            watcher.zk.getChildren(path, watcher::note);
            zk.setData(path, bytes("x"), -1);
            watcher.expect(EventType.NodeDataChanged, path);
            zk.create(path + "/c", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
            watcher.expect(EventType.NodeChildrenChanged, path);
            watcher.zk.exists(path + "/c", watcher::note);
            zk.delete(path + "/c", -1);
            watcher.expect(EventType.NodeDeleted, path + "/c");
            zk.delete(path, -1);
            watcher.zk.sync(root);
            watcher.zk.exists(root, false);
            require(watcher.events.isEmpty(), "a spent watch is silent");
        }
    }

    void persistentWatches(ZooKeeper zk, String root) throws Exception {
        try (Client watcher = new Client(servers)) {
            String path = root + "/w";
            watcher.zk.addWatch(path, watcher::note, AddWatchMode.PERSISTENT);
            zk.create(path, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
            zk.create(path + "/c", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
            zk.setData(path, bytes("1"), -1);
            zk.setData(path, bytes("2"), -1);
            watcher.expect(EventType.NodeCreated, path);
            watcher.expect(EventType.NodeChildrenChanged, path);
            watcher.expect(EventType.NodeDataChanged, path);
            watcher.expect(EventType.NodeDataChanged, path);
            watcher.zk.removeAllWatches(path, Watcher.WatcherType.Any, false);
            watcher.expect(EventType.PersistentWatchRemoved, path);
            fails(Code.NOWATCHER, () -> watcher.zk.removeAllWatches(path, Watcher.WatcherType.Any, false));
        }
    }

    void recursiveWatches(ZooKeeper zk, String root) throws Exception {
        try (Client watcher = new Client(servers)) {
            Watcher notes = watcher::note;
            watcher.zk.addWatch(root, notes, AddWatchMode.PERSISTENT_RECURSIVE);
            zk.create(root + "/a", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
            zk.create(root + "/a/b", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
            zk.setData(root + "/a/b", bytes("1"), -1);
            zk.delete(root + "/a/b", -1);
            zk.setData(root, bytes("1"), -1);
            watcher.expect(EventType.NodeCreated, root + "/a");
            watcher.expect(EventType.NodeCreated, root + "/a/b");
            watcher.expect(EventType.NodeDataChanged, root + "/a/b");
            watcher.expect(EventType.NodeDeleted, root + "/a/b");
            watcher.expect(EventType.NodeDataChanged, root);
            watcher.zk.removeWatches(root, notes, Watcher.WatcherType.PersistentRecursive, false);
            watcher.expect(EventType.PersistentWatchRemoved, root);
            zk.setData(root, bytes("2"), -1);
            watcher.zk.sync(root);
            watcher.zk.exists(root, false);
            require(watcher.events.isEmpty(), "a removed watch is silent");
        }
    }

    void removeOneOfTwoWatchers(ZooKeeper zk, String root) throws Exception {
        try (Client watcher = new Client(servers)) {
            watcher.zk.sync(root);
            BlockingQueue<WatchedEvent> other = new LinkedBlockingQueue<>();
            Watcher first = watcher::note;
            Watcher second = other::add;
            watcher.zk.getData(root, first, null);
            watcher.zk.getData(root, second, null);
            watcher.zk.removeWatches(root, first, Watcher.WatcherType.Data, false);
            watcher.expect(EventType.DataWatchRemoved, root);
            zk.setData(root, bytes("x"), -1);
            require(other.poll(LIMIT_S, TimeUnit.SECONDS) != null, "the other watcher is told");
            require(watcher.events.isEmpty(), "the removed one is not");
        }
    }

    void aclsAndAuth(ZooKeeper zk, String root) throws Exception {
        try (Client owner = new Client(servers)) {
            owner.zk.addAuthInfo("digest", bytes("user:secret"));
            owner.zk.sync(root);
            owner.zk.create(root + "/mine", bytes("x"), Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
            Id id = new Id("digest", DigestAuthenticationProvider.generateDigest("user:secret"));
            Stat stat = new Stat();
            equal(Collections.singletonList(new ACL(Perms.ALL, id)), owner.zk.getACL(root + "/mine", stat));
            zk.sync(root);
            fails(Code.NOAUTH, () -> zk.getData(root + "/mine", false, null));
            fails(Code.NOAUTH, () -> zk.exists(root + "/mine", false));
            fails(Code.NOAUTH, () -> zk.getACL(root + "/mine", null));
            List<ACL> acl = Arrays.asList(new ACL(Perms.ALL, id), new ACL(Perms.READ, Ids.ANYONE_ID_UNSAFE));
            equal(1, owner.zk.setACL(root + "/mine", acl, stat.getAversion()).getAversion());
            zk.sync(root);
            equal("x", text(zk.getData(root + "/mine", false, null)));
            equal("user:x", zk.getACL(root + "/mine", null).get(0).getId().getId());
            fails(Code.BADVERSION, () -> owner.zk.setACL(root + "/mine", acl, 0));
            List<String> schemes = new ArrayList<>();
            for (ClientInfo info : owner.zk.whoAmI()) {
                schemes.add(info.getAuthScheme() + ":" + info.getUser());
            }
            Collections.sort(schemes);
            equal(Arrays.asList("digest:user", "ip:127.0.0.1"), schemes);
        }
        fails(Code.INVALIDACL, () -> zk.create(root + "/auth", null, Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT));
    }

    void ephemerals(ZooKeeper zk, String root) throws Exception {
        try (Client other = new Client(servers)) {
            other.zk.sync(root);
            other.zk.create(root + "/x1", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
            other.zk.create(root + "/x2", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
            other.zk.create(root + "/y", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
            List<String> found = other.zk.getEphemerals(root + "/x");
            Collections.sort(found);
            equal(Arrays.asList(root + "/x1", root + "/x2"), found);
            equal(3, other.zk.getEphemerals().size());
            zk.sync(root);
            equal(3, zk.getChildren(root, false).size());
        }
        zk.sync(root);
        equal(0, zk.getChildren(root, false).size());
    }

    void asynchronousCalls(ZooKeeper zk, String root) throws Exception {
        int number = 1000;
        CountDownLatch done = new CountDownLatch(2 * number);
        List<Integer> order = Collections.synchronizedList(new ArrayList<>());
        AsyncCallback.StringCallback created = (rc, path, ctx, name) -> {
            order.add(rc == 0 ? (Integer) ctx : -1);
            done.countDown();
        };
        for (int i = 0; i < number; i++) {
            zk.create(root + "/n" + i, bytes("" + i), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, created, 2 * i);
            zk.getData(root + "/n" + i, false, (rc, path, ctx, data, stat) -> {
                order.add(rc == 0 && text(data).equals("" + ((Integer) ctx) / 2) ? (Integer) ctx : -1);
                done.countDown();
            }, 2 * i + 1);
        }
        require(done.await(LIMIT_S, TimeUnit.SECONDS), "all answers");
        for (int i = 0; i < 2 * number; i++) {
            equal(i, order.get(i));
        }
    }

    /** The same session through every server in turn: ephemerals stay, watches are set again, nothing expires. */
    void reconnect(ZooKeeper zk, String root) throws Exception {
        try (Client mover = new Client(servers)) {
            long session = mover.zk.getSessionId();
            mover.zk.sync(root);
            mover.zk.create(root + "/e", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
            mover.zk.getData(root, mover::note, null);
            mover.zk.addWatch(root + "/p", mover::note, AddWatchMode.PERSISTENT);
            String[] each = servers.split(",");
            for (int round = 0; round < Math.max(3, each.length); round++) {
                String next = each[round % each.length];
                mover.states.clear();
                mover.zk.updateServerList(next);
                breakConnection(mover.zk);
                until("a connection again", () -> {
                    KeeperState state = mover.states.poll(LIMIT_S, TimeUnit.SECONDS);
                    require(state != KeeperState.Expired, "the session lives");
                    return state == KeeperState.SyncConnected;
                });
                equal(session, mover.zk.getSessionId());
                equal(session, mover.zk.exists(root + "/e", false).getEphemeralOwner());
            }
            require(mover.events.isEmpty(), "nothing has changed yet: " + mover.events);
            zk.setData(root, bytes("x"), -1);
            mover.expect(EventType.NodeDataChanged, root);
            zk.create(root + "/p", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
            mover.expect(EventType.NodeCreated, root + "/p");
        }
    }

    /** A second client object on the same session makes the server cut the first connection; both are the session. */
    void handOver(ZooKeeper zk, String root) throws Exception {
        try (Client first = new Client(servers)) {
            first.zk.sync(root);
            first.zk.create(root + "/e", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
            CountDownLatch connected = new CountDownLatch(1);
            ZooKeeper second = new ZooKeeper(servers, SESSION_MS, event -> {
                if (event.getState() == KeeperState.SyncConnected) {
                    connected.countDown();
                }
            }, first.zk.getSessionId(), first.zk.getSessionPasswd());
            require(connected.await(LIMIT_S, TimeUnit.SECONDS), "the session on a second connection");
            equal(first.zk.getSessionId(), second.getSessionId());
            second.sync(root);
            equal(Collections.singletonList(root + "/e"), second.getEphemerals(root));
            second.close();
        }
        zk.sync(root);
        until("the ephemeral to go", () -> zk.exists(root + "/e", false) == null);
    }

    void configuration(ZooKeeper zk, String root) throws Exception {
        Stat stat = new Stat();
        String config = text(zk.getData("/zookeeper/config", false, stat));
        equal(servers.contains(","), config.contains("version="));
    }

    static void breakConnection(ZooKeeper zk) throws Exception {
        java.lang.reflect.Field cnxn = ZooKeeper.class.getDeclaredField("cnxn");
        cnxn.setAccessible(true);
        Object connection = cnxn.get(zk);
        java.lang.reflect.Field send = connection.getClass().getDeclaredField("sendThread");
        send.setAccessible(true);
        Object thread = send.get(connection);
        java.lang.reflect.Method drop = thread.getClass().getDeclaredMethod("testableCloseSocket");
        drop.setAccessible(true);
        drop.invoke(thread);
        // The client notices when it next wants to write; its own ping may be seconds away.
        zk.exists("/", false, (rc, path, ctx, stat) -> { }, null);
    }

    void all() throws Exception {
        String[] names = {
            "createModes", "dataAndVersions", "children", "multi", "multiRead", "oneShotWatches", "persistentWatches",
            "recursiveWatches", "removeOneOfTwoWatchers", "aclsAndAuth", "ephemerals", "asynchronousCalls", "reconnect",
            "handOver", "configuration",
        };
        Check[] checks = {
            this::createModes, this::dataAndVersions, this::children, this::multi, this::multiRead,
            this::oneShotWatches, this::persistentWatches, this::recursiveWatches, this::removeOneOfTwoWatchers,
            this::aclsAndAuth, this::ephemerals, this::asynchronousCalls, this::reconnect, this::handOver,
            this::configuration,
        };
        try (Client client = new Client(servers)) {
            for (int i = 0; i < checks.length; i++) {
                String root = "/java-" + UUID.randomUUID();
                client.zk.create(root, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
                checks[i].run(client.zk, root);
                System.out.println("ok " + names[i]);
            }
            System.out.println(checks.length + " checks passed");
        }
    }

    public static void main(String[] args) throws Exception {
        try {
            new ClientSuite(args[0]).all();
            System.exit(0);
        } catch (Throwable e) {
            e.printStackTrace();
            System.exit(1);
        }
    }
}
