//! What clients do, and what they get.

use super::ensemble::NOTES;
use super::model::{Dashboard, Kind, Panel, panel};
use super::node::SERVERS;

/// The dashboard.
pub fn dashboard() -> Dashboard {
    Dashboard {
        name: "clients",
        title: "zookube / clients",
        about: "What clients do and what they get: connections, sessions, requests, watches, \
        refusals.",
        variables: &SERVERS,
        notes: NOTES,
        rows: vec![
            ("Connections and sessions", connections()),
            ("Requests", requests()),
            ("Watches", watches()),
            ("Refused", refused()),
        ],
    }
}

fn connections() -> Vec<Panel> {
    vec![
        panel(
            Kind::Stacked,
            "Connections",
            "none",
            "By server. Very uneven after a restart: clients stay where they went; it evens out \
            as they reconnect.",
        )
        .query("num_alive_connections{S}", "{{instance}}"),
        panel(
            Kind::Lines,
            "Sessions",
            "none",
            "Of the whole ensemble (global), and those that only their server knows (local).",
        )
        .query("max by (job, ensemble) (global_sessions{S})", "global {{job}} {{ensemble}}")
        .query("local_sessions{S}", "local {{instance}}"),
        panel(
            Kind::Lines,
            "Connections opened",
            "cps",
            "Many per second with few clients: something opens a connection per request.",
        )
        .query("rate(zookube_connections_opened_total{S}[R])", "{{instance}}"),
        panel(
            Kind::Stacked,
            "Connections closed, by reason",
            "cps",
            "Why connections end. A burst of one reason on all servers is the ensemble's doing, \
            on one server that server's.",
        )
        .query("sum by (reason) (rate(zookube_connections_closed_total{S}[R]))", "{{reason}}"),
        panel(
            Kind::Lines,
            "Sessions begun and ended",
            "ops",
            "Each is a write of the whole ensemble. Much of it: clients that do not keep their \
            session.",
        )
        .query("sum(rate(zookube_sessions_created_total{S}[R]))", "begun")
        .query("sum(rate(zookube_sessions_closed_total{S}[R]))", "ended"),
        panel(
            Kind::Lines,
            "Sessions expired",
            "none",
            "Each 5 minutes. Their ephemerals are gone: locks are free, services have vanished. \
            A burst: clients were cut off, or stalled.",
        )
        .query("sum by (instance) (increase(zookube_sessions_expired_total{S}[5m]))", "{{instance}}")
        .from(10.0, "orange"),
    ]
}

fn requests() -> Vec<Panel> {
    vec![
        panel(
            Kind::Stacked,
            "Requests by operation",
            "reqps",
            "Compare with the day before when something is slow: what has changed?",
        )
        .query("sum by (op) (rate(zookube_requests_total{S}[R]))", "{{op}}"),
        panel(Kind::Stacked, "Requests by server", "reqps", "Reads scale with servers, writes do not.")
            .query("sum by (instance) (rate(zookube_requests_total{S}[R]))", "{{instance}}"),
        panel(
            Kind::Lines,
            "Latency that clients get (99 of 100)",
            "s",
            "By server: writes from arrival to reply, reads the same.",
        )
        .quantile_by("0.99", "instance", "zookube_write_seconds", "write {{instance}}")
        .quantile_by("0.99", "instance", "zookube_read_seconds", "read {{instance}}")
        .from(0.5, "red"),
        panel(
            Kind::Lines,
            "Requests that wait",
            "none",
            "In process or queued. `echo cons | nc HOST 2181` names the connections with the \
            most.",
        )
        .query("outstanding_requests{S}", "{{instance}}")
        .from(1000.0, "orange"),
        panel(
            Kind::Lines,
            "Bytes",
            "Bps",
            "To and from clients. Very long answers are lists of many children or large data.",
        )
        .query("sum(rate(zookube_client_received_bytes_total{S}[R]))", "received")
        .query("sum(rate(zookube_client_sent_bytes_total{S}[R]))", "sent"),
        panel(Kind::Lines, "Packets", "pps", "Requests and pings in, replies and watch events out.")
            .query("sum(rate(packets_received{S}[R]))", "received")
            .query("sum(rate(packets_sent{S}[R]))", "sent"),
    ]
}

fn watches() -> Vec<Panel> {
    vec![
        panel(
            Kind::Lines,
            "Watches",
            "none",
            "Growth without end is a client that sets watches on ever new paths; each costs \
            memory.",
        )
        .query("watch_count{S}", "{{instance}}"),
        panel(Kind::Lines, "Events", "eps", "Watch events sent to clients. Peaks far above the writes are fan-out.")
            .query("rate(zookube_watch_events_total{S}[R])", "{{instance}}"),
        panel(
            Kind::Heatmap,
            "Transactions by the watches they fire",
            "none",
            "Fan-out: a band above a thousand is a herd. Each of those clients comes back with \
            a read and a new watch at the same moment.",
        )
        .query("sum by (le) (increase(zookube_watch_fanout_events_bucket{S}[R]))", "{{le}}"),
        panel(
            Kind::Lines,
            "Fan-out (99 of 100)",
            "none",
            "Events of one transaction. Let clients watch their predecessor, or use persistent \
            watches.",
        )
        .quantile_by("0.99", "instance", "zookube_watch_fanout_events", "{{instance}}")
        .from(1000.0, "orange"),
    ]
}

fn refused() -> Vec<Panel> {
    vec![
        panel(
            Kind::Lines,
            "Connections refused",
            "cps",
            "maxClientCnxns of one address, or maxCnxns of all, is reached. Mend the client or \
            raise the limit.",
        )
        .query("rate(connection_rejected{S}[R])", "{{instance}}"),
        panel(
            Kind::Lines,
            "Authentication failed",
            "ops",
            "A password that was changed, a certificate that has run out, or somebody who \
            guesses. The log has addresses.",
        )
        .query("rate(auth_failed_count{S}[R])", "{{instance}}"),
        panel(
            Kind::Lines,
            "Connections without a session",
            "cps",
            "Closed because no session was asked for in time: port scanners, health checks of \
            load balancers, clients that speak TLS to a port without.",
        )
        .query("rate(sessionless_connections_expired{S}[R])", "{{instance}}"),
        panel(
            Kind::Lines,
            "Refused for want of memory",
            "ops",
            "The leader is beyond its limit for growth: see the dashboard of the node.",
        )
        .query("rate(zookube_refused_for_memory_total{S}[R])", "{{instance}}"),
    ]
}
