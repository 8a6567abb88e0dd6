//! The keys of Apache that do nothing here: accepted with one warning, or refused where silence would be dangerous.
//!
//! A key moves from here to [`super::honoured`] in the change that makes it work.

use super::keys::Standing::{Derived, Unset, Value as Is};
use super::keys::{Disposition, Key, Section};
use super::kind::{COUNT, COUNT_OR_UNSET, Kind, LONG, PORT, POSITIVE};

const fn ignored(quiet: &'static [&'static str], reason: &'static str) -> Disposition {
    Disposition::NoEffect { quiet, reason }
}

const fn refused(unless: &'static [&'static str], reason: &'static str) -> Disposition {
    Disposition::Refused { unless, reason }
}

const FALSE: &[&str] = &["false"];
const TRUE: &[&str] = &["true"];

const TLS: &str = "TLS comes later";
const TLS_DETAIL: &str = "TLS comes later, and nothing is encrypted until then";
const SASL: &str = "SASL comes later";
const SASL_DETAIL: &str = "SASL comes later, and nobody is authenticated by it until then";
const METRICS: &str = "the metrics endpoint has no such detail";
const JVM: &str = "there is no Java virtual machine";
const THREADS: &str = "there are no such threads to count";
const CACHE: &str = "replies are built from the tree, without a cache";
const THROTTLE: &str = "requests in process are bounded per connection, in number and in bytes";
const CONNECTION_THROTTLE: &str = "new connections are bounded by maxClientCnxns and maxCnxns";
const BATCHES: &str = "one sync covers all that was queued while the previous one ran";
const SENDING: &str = "sending and closing never block the protocol";
const REQUEST_SIZE: &str = "requests in process are bounded in bytes per connection";
const PATH_STATS: &str = "there are no statistics by path";
const WATCHES: &str = "there is one watch table, and it needs no cleaner";

/// Rows of `"name" | "alias": kind = default, "meaning", disposition;` under their section.
macro_rules! inert {
    ($($section:ident {
        $($name:literal $(| $alias:literal)*: $kind:expr, $default:expr, $meaning:literal, $disposition:expr;)*
    })*) => {
        /// The rows of the keys without a field.
        pub(super) static INERT: &[Key] = &[
            $($(Key {
                name: $name,
                aliases: &[$($alias),*],
                section: Section::$section,
                kind: $kind,
                default: $default,
                disposition: $disposition,
                meaning: $meaning,
            },)*)*
        ];
    };
}

inert! {
    Basic {
        "secureClientPort": PORT, Unset, "the port for clients that use TLS", refused(&[], TLS);
        "secureClientPortAddress": Kind::Text, Unset, "the address of that port", refused(&[], TLS);
        "serverCnxnFactory": Kind::Text, Is("org.apache.zookeeper.server.NIOServerCnxnFactory"),
            "the Java class that serves the client port",
            ignored(&[], "there is one network layer, not a choice of classes");
    }
    Cluster {
        "oraclePath": Kind::Path, Unset, "the file of an oracle that decides between two servers",
            refused(&[], "there is no oracle; use three servers");
        "version": Kind::Text, Unset, "the version of the server list",
            ignored(&[], "the version comes from the name of the dynamic configuration file");
        "quorum.cnxn.threads.size": COUNT, Is("20"), "threads that accept election connections", ignored(&[], THREADS);
        "leader.maxTimeToWaitForEpoch" | "maxTimeToWaitForEpoch": COUNT_OR_UNSET, Is("-1"),
            "how long a new leader waits for the epochs of a quorum, in ms", ignored(&["-1"], "it waits for initLimit");
        "leader.nodelay": Kind::Boolean, Is("true"), "TCP_NODELAY towards learners", ignored(TRUE, "it is always on");
        "follower.nodelay": Kind::Boolean, Is("true"), "TCP_NODELAY towards the leader",
            ignored(TRUE, "it is always on");
        "learner.asyncSending": Kind::Boolean, Is("false"), "whether a learner sends from a thread of its own",
            ignored(&["true", "false"], SENDING);
        "learner.closeSocketAsync": Kind::Boolean, Is("false"), "whether a learner closes from a thread of its own",
            ignored(&["true", "false"], SENDING);
        "leader.closeSocketAsync": Kind::Boolean, Is("false"), "whether a leader closes from a thread of its own",
            ignored(&["true", "false"], SENDING);
        "leader.ackLoggingFrequency": COUNT, Is("1000"), "how many acknowledgements pass between two trace lines",
            ignored(&[], "there are no such trace lines");
        "forward_learner_requests_to_commit_processor_disabled": Kind::Boolean, Is("false"),
            "how a leader queues requests of its learners", ignored(FALSE, "there is one pipeline");
        "follower.skipLearnerRequestToNextProcessor": Kind::Boolean, Is("false"),
            "how a follower queues requests of its observers", ignored(FALSE, "there is one pipeline");
        "observerMaster.sizeLimit": COUNT, Is("33554432"), "bytes of transactions a master keeps for its observers",
            ignored(&[], "they are given from the history that commitLogCount bounds");
        "syncEnabled" | "observer.syncEnabled": Kind::Boolean, Is("true"), "whether an observer writes a log",
            ignored(TRUE, "an observer always writes its log");
        "multiAddress.reachabilityCheckEnabled": Kind::Boolean, Is("true"),
            "whether an address is tried with ICMP before it is used",
            ignored(&["true", "false"], "addresses are tried in turn");
        "multiAddress.reachabilityCheckTimeoutMs": COUNT, Is("1000"), "how long that may take, in ms",
            ignored(&[], "addresses are tried in turn");
        "forceSnapshotSync": Kind::Boolean, Is("false"), "an aid for tests: always synchronize by snapshot",
            ignored(FALSE, "it is an aid for Apache's tests");
    }
    Storage {
        "forceSync": Kind::YesNo, Is("yes"), "`no`: acknowledge before the log is on disk",
            ignored(&["yes"], "nothing is acknowledged before it is on disk");
        "snapshotSizeFactor": Kind::Text, Is("0.33"), "how much log may be sent in place of a snapshot",
            ignored(&[], "a DIFF reaches as far back as commitLogCount");
        "flushDelay": COUNT, Is("0"), "how long a sync waits for company, in ms", ignored(&["0"], BATCHES);
        "maxWriteQueuePollTime": COUNT, Derived("`flushDelay` / 3"), "the same while nothing arrives, in ms",
            ignored(&[], BATCHES);
        "maxBatchSize": COUNT, Is("1000"), "transactions after which it waits no longer", ignored(&[], BATCHES);
        "closeSessionTxn.enabled": Kind::Boolean, Is("true"), "whether closing a session lists its ephemerals",
            ignored(TRUE, "it always does");
        "emulate353TTLNodes": Kind::Boolean, Is("false"), "reads nodes with a time to live as 3.5.3 wrote them",
            refused(FALSE, "nodes as 3.5.3 wrote them are not understood; rewrite them with a newer Apache first");
        "bitHashCacheSize": COUNT, Is("10"), "a cache in Apache's watch table", ignored(&[], WATCHES);
    }
    Limits {
        "globalOutstandingLimit": POSITIVE, Is("1000"), "requests in process beyond which no more are read",
            ignored(&[], THROTTLE);
        "request_throttle_max_requests" | "requestThrottleLimit": COUNT, Is("0"), "requests in process; 0 = no limit",
            ignored(&["0"], THROTTLE);
        "request_throttle_stall_time" | "requestThrottleStallTime": COUNT, Is("100"), "their pause, in ms",
            ignored(&[], THROTTLE);
        "request_throttle_drop_stale" | "requestThrottleDropStale": Kind::Boolean, Is("true"),
            "whether throttled requests of closed connections are dropped", ignored(TRUE, THROTTLE);
        "request_throttler.shutdownTimeout": COUNT, Is("10000"), "how long the throttler may take to end, in ms",
            ignored(&[], THROTTLE);
        "request_stale_connection_check" | "requestStaleConnectionCheck": Kind::Boolean, Is("true"),
            "whether requests of closed connections are stale", ignored(TRUE, THROTTLE);
        "request_stale_latency_check" | "requestStaleLatencyCheck": Kind::Boolean, Is("false"),
            "whether requests older than a session timeout are stale", ignored(FALSE, THROTTLE);
        "throttled_op_wait_time" | "throttledOpWaitTime": COUNT, Is("0"),
            "after how long in the queue a request is answered ThrottledOp, in ms", ignored(&["0"], THROTTLE);
        "request.timeout": COUNT, Is("0"), "a client's key, found in the file of a server",
            ignored(&[], "it is for clients");
        "largeRequestMaxBytes": COUNT_OR_UNSET, Is("104857600"), "bytes of large requests in process",
            ignored(&[], REQUEST_SIZE);
        "largeRequestThreshold": COUNT_OR_UNSET, Is("-1"), "from how many bytes a request is large",
            ignored(&["-1"], REQUEST_SIZE);
        "connection_throttle_tokens" | "connectionMaxTokens": COUNT, Is("0"), "connections in a burst; 0 = no limit",
            ignored(&["0"], CONNECTION_THROTTLE);
        "connection_throttle_fill_time" | "connectionTokenFillTime": COUNT, Is("1"), "the interval of new ones, in ms",
            ignored(&[], CONNECTION_THROTTLE);
        "connection_throttle_fill_count" | "connectionTokenFillCount": COUNT, Is("1"), "new ones per interval",
            ignored(&[], CONNECTION_THROTTLE);
        "connection_throttle_freeze_time" | "connectionFreezeTime": COUNT_OR_UNSET, Is("-1"),
            "how often the chance of a drop is recomputed, in ms", ignored(&["-1"], CONNECTION_THROTTLE);
        "connection_throttle_drop_increase" | "connectionDropIncrease": Kind::Text, Is("0.02"),
            "how fast that chance rises", ignored(&[], CONNECTION_THROTTLE);
        "connection_throttle_drop_decrease" | "connectionDropDecrease": Kind::Text, Is("0.002"),
            "how fast it falls", ignored(&[], CONNECTION_THROTTLE);
        "connection_throttle_decrease_ratio" | "connectionDecreaseRatio": Kind::Text, Is("0"),
            "from which share of tokens on it falls", ignored(&["0"], CONNECTION_THROTTLE);
        "connection_throttle_weight_enabled": Kind::Boolean, Is("false"), "whether sessions weigh differently",
            ignored(FALSE, CONNECTION_THROTTLE);
        "connection_throttle_global_session_weight": POSITIVE, Is("3"), "tokens of a new session",
            ignored(&[], CONNECTION_THROTTLE);
        "connection_throttle_renew_session_weight": POSITIVE, Is("2"), "tokens of a moved session",
            ignored(&[], CONNECTION_THROTTLE);
        "connection_throttle_local_session_weight": POSITIVE, Is("1"), "tokens of a local session",
            ignored(&[], CONNECTION_THROTTLE);
        "maxResponseCacheSize": LONG, Is("400"), "replies to getData kept in a cache", ignored(&["0"], CACHE);
        "maxGetChildrenResponseCacheSize": LONG, Is("400"), "replies to getChildren kept in a cache",
            ignored(&["0"], CACHE);
        "nio.numSelectorThreads": COUNT, Derived("√(cores / 2)"), "threads that wait for sockets",
            ignored(&[], THREADS);
        "nio.numWorkerThreads": COUNT, Derived("2 × cores"), "threads that read and write sockets",
            ignored(&[], THREADS);
        "nio.shutdownTimeout": COUNT, Is("5000"), "how long they may take to end, in ms", ignored(&[], THREADS);
        "nio.directBufferBytes": COUNT, Is("65536"), "the buffer of each", ignored(&[], THREADS);
        "netty.advancedFlowControl.enabled" | "advancedFlowControlEnabled": Kind::Boolean, Is("false"),
            "whether Netty stops reading per connection",
            ignored(&["true", "false"], "reading always stops per connection");
        "netty.server.outstandingHandshake.limit": LONG, Is("-1"), "TLS handshakes at the same time", ignored(&[], TLS);
        "netty.server.earlyDropSecureConnectionHandshakes": Kind::Boolean, Is("false"),
            "whether they are counted against the limit of connections", ignored(FALSE, TLS);
        "commitProcessor.numWorkerThreads": COUNT, Derived("cores"), "threads that answer reads", ignored(&[], THREADS);
        "commitProcessor.maxReadBatchSize": LONG, Is("-1"), "reads between two commits", ignored(&[], THREADS);
        "commitProcessor.maxCommitBatchSize": LONG, Is("1"), "commits between two reads", ignored(&[], THREADS);
        "commitProcessor.shutdownTimeout": LONG, Is("5000"), "how long those threads may take to end, in ms",
            ignored(&[], THREADS);
        "intBufferStartingSizeBytes": COUNT, Is("1024"), "the first size of a buffer for replies", ignored(&[], CACHE);
        "watchManagerName": Kind::Text, Is("org.apache.zookeeper.server.watch.WatchManager"),
            "the Java class of the watch table",
            ignored(&[], WATCHES);
        "watcherCleanThreadsNum": COUNT, Is("2"), "threads that clean one", ignored(&[], WATCHES);
        "watcherCleanThreshold": COUNT, Is("1000"), "dead watchers that start the cleaning", ignored(&[], WATCHES);
        "watcherCleanIntervalInSeconds": COUNT, Is("600"), "how often it starts, in seconds", ignored(&[], WATCHES);
        "maxInProcessingDeadWatchers": LONG, Is("-1"), "dead watchers at which connections wait", ignored(&[], WATCHES);
    }
    Security {
        "enableEagerACLCheck": Kind::Boolean, Is("false"), "whether a learner checks ACLs before it forwards",
            ignored(FALSE, "the leader checks every request; the answer is the same");
        "IPAuthenticationProvider.usexforwardedfor": Kind::Boolean, Is("false"),
            "whether the HTTP admin server believes X-Forwarded-For", ignored(FALSE, "the address of the connection is the one that counts");
        "authProvider.N": Kind::Text, Unset, "the Java class of another authentication scheme",
            refused(&[
                "org.apache.zookeeper.server.auth.DigestAuthenticationProvider",
                "org.apache.zookeeper.server.auth.IPAuthenticationProvider",
            ], "there are no Java classes to load; the schemes here are world, auth, digest, ip and super");
        "enforce.auth.enabled": Kind::Boolean, Is("false"), "whether a client must authenticate before anything else",
            refused(FALSE, "enforced authentication comes later");
        "enforce.auth.schemes": Kind::Text, Unset, "by which schemes",
            ignored(&[""], "enforced authentication comes later");
        "sessionRequireClientSASLAuth": Kind::Boolean, Is("false"), "whether a client must authenticate with SASL",
            refused(FALSE, SASL);
        "allowSaslFailedClients": Kind::Boolean, Is("false"), "whether a client may stay after SASL failed",
            ignored(FALSE, SASL_DETAIL);
        "ensembleAuthName": Kind::Text, Unset, "names a client may give for this ensemble",
            ignored(&[""], "the scheme ensemble comes later");
        "superUser": Kind::Text, Unset, "a SASL user who may do everything", ignored(&[], SASL_DETAIL);
        "superUser.N": Kind::Text, Unset, "more of them", ignored(&[], SASL_DETAIL);
        "letAnySaslUserDoX": Kind::Text, Unset, "an ACL id that matches every SASL user", ignored(&[], SASL_DETAIL);
        "SASLAuthenticationProvider.superPassword": Kind::Text, Unset, "the password of the SASL user `super`",
            ignored(&[], SASL_DETAIL);
        "X509AuthenticationProvider.superUser": Kind::Text, Unset, "the subject of a user who may do everything",
            ignored(&[], TLS_DETAIL);
        "ssl.*": Kind::Text, Unset, "keys and certificates, for clients and (`ssl.quorum.*`) for servers",
            ignored(&[], TLS_DETAIL);
        "sslQuorum": Kind::Boolean, Is("false"), "whether servers use TLS among themselves", refused(FALSE, TLS);
        "portUnification": Kind::Boolean, Is("false"), "whether they accept both TLS and plain text",
            refused(FALSE, TLS);
        "sslQuorumReloadCertFiles": Kind::Boolean, Is("false"), "whether changed certificates are read again",
            ignored(FALSE, TLS_DETAIL);
        "client.portUnification": Kind::Boolean, Is("false"), "whether the client port accepts both TLS and plain text",
            refused(FALSE, TLS);
        "client.certReload": Kind::Boolean, Is("false"), "whether changed certificates are read again",
            ignored(FALSE, TLS_DETAIL);
        "fips-mode": Kind::Boolean, Is("true"), "restricts TLS to what FIPS 140 allows",
            ignored(&["true", "false"], TLS);
        "quorum.auth.enableSasl": Kind::Boolean, Is("false"), "whether servers authenticate each other with SASL",
            refused(FALSE, SASL);
        "quorum.auth.serverRequireSasl": Kind::Boolean, Is("false"), "whether a server requires it",
            refused(FALSE, SASL);
        "quorum.auth.learnerRequireSasl": Kind::Boolean, Is("false"), "whether a learner requires it",
            refused(FALSE, SASL);
        "quorum.auth.kerberos.servicePrincipal": Kind::Text, Is("zkquorum/localhost"), "the principal of the servers",
            ignored(&[], SASL_DETAIL);
        "quorum.auth.server.saslLoginContext": Kind::Text, Is("QuorumServer"), "a section of the JAAS file",
            ignored(&[], SASL_DETAIL);
        "quorum.auth.learner.saslLoginContext": Kind::Text, Is("QuorumLearner"), "a section of the JAAS file",
            ignored(&[], SASL_DETAIL);
        "kerberos.removeHostFromPrincipal": Kind::Boolean, Is("false"), "shortens the names of Kerberos users",
            ignored(FALSE, SASL_DETAIL);
        "kerberos.removeRealmFromPrincipal": Kind::Boolean, Is("false"), "shortens the names of Kerberos users",
            ignored(FALSE, SASL_DETAIL);
        "kerberos.canonicalizeHostNames": Kind::Boolean, Is("false"), "whether server names are looked up twice",
            ignored(FALSE, SASL_DETAIL);
        "kerberos.minReLoginTimeMs": COUNT, Is("60000"), "the pause between two logins, in ms",
            ignored(&[], SASL_DETAIL);
        "security.auth_to_local": Kind::Text, Is("DEFAULT"), "rules that map Kerberos names", ignored(&[], SASL_DETAIL);
        "requireKerberosConfig": Kind::Boolean, Is("false"), "whether a Kerberos configuration must exist",
            ignored(FALSE, SASL_DETAIL);
        "server.principal": Kind::Text, Unset, "a client's key, found in the file of a server",
            ignored(&[], SASL_DETAIL);
        "server.realm": Kind::Text, Unset, "a client's key, found in the file of a server", ignored(&[], SASL_DETAIL);
        "sasl.*": Kind::Text, Unset, "details of SASL", ignored(&[], SASL_DETAIL);
        "java.security.auth.login.config": Kind::Text, Unset, "the JAAS file", ignored(&[], SASL_DETAIL);
        "kinit": Kind::Text, Is("/usr/bin/kinit"), "the program that renews a Kerberos ticket",
            ignored(&[], SASL_DETAIL);
        "audit.enable": Kind::Boolean, Is("false"), "whether writes are recorded in an audit log",
            refused(FALSE, "the audit log comes later");
        "audit.impl.class": Kind::Text, Unset, "the Java class of the audit log",
            ignored(&[], "the audit log comes later");
    }
    Operations {
        "admin.forceHttps": Kind::Boolean, Is("false"), "whether the admin server accepts TLS only",
            refused(FALSE, TLS);
        "admin.portUnification": Kind::Boolean, Is("false"), "whether it accepts both TLS and plain text",
            refused(FALSE, TLS);
        "admin.needClientAuth": Kind::Boolean, Is("false"), "whether its clients must show a certificate",
            refused(FALSE, TLS);
        "admin.httpVersion": Kind::Text, Is("11"), "its version of HTTP beneath TLS", ignored(&["11"], TLS);
        "metricsProvider.*": Kind::Text, Unset, "its details", ignored(&[], METRICS);
        "jvm.pause.monitor": Kind::Boolean, Is("false"), "whether pauses of the virtual machine are measured",
            ignored(FALSE, JVM);
        "jvm.pause.info-threshold.ms": COUNT, Is("1000"), "from how long on one is logged, in ms", ignored(&[], JVM);
        "jvm.pause.warn-threshold.ms": COUNT, Is("10000"), "from how long on one is a warning, in ms",
            ignored(&[], JVM);
        "jvm.pause.sleep.time.ms": COUNT, Is("500"), "how often they are measured, in ms", ignored(&[], JVM);
        "jmx.*": Kind::Text, Unset, "management by JMX", ignored(&[], JVM);
        "messageTracker.Enabled": Kind::Boolean, Is("false"), "whether the last packets of a learner are remembered",
            ignored(FALSE, "packets are not recorded");
        "messageTracker.BufferSize": COUNT, Is("10"), "how many of them", ignored(&[], "packets are not recorded");
        "pathStats.*": Kind::Text, Unset, "statistics of requests by path", ignored(&[], PATH_STATS);
    }
}
