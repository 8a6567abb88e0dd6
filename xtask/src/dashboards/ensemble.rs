//! The ensemble as a whole: who leads, how much may fail, how fast it writes.

use super::model::{Dashboard, Kind, Panel, Variable, panel};

/// Which servers are looked at; also for the other dashboards of servers.
pub const ENSEMBLE: [Variable; 2] = [
    Variable { name: "job", label: "Job", values: "label_values(zookube_build_info, job)" },
    Variable {
        name: "ensemble",
        label: "Ensemble",
        values: "label_values(zookube_build_info{job=~\"$job\"}, ensemble)",
    },
];

/// Notes in the panels of the dashboards of servers.
pub const NOTES: &[(&str, &str, &str, &str)] = &[
    (
        "Alerts",
        "red",
        "ALERTS{S, alertname=~\"Zookube.*\", alertstate=\"firing\", severity!=\"info\"}",
        "{{alertname}} {{instance}}",
    ),
    (
        "Starts",
        "blue",
        "changes(process_start_time_seconds{S}[1m]) > 0 and on (job, instance) \
        zookube_build_info",
        "{{instance}}",
    ),
    (
        "Another leader",
        "purple",
        "changes(zookube_epoch{S}[1m]) > 0 and on (job, instance) \
        zookube_server_state{state=\"leader\"} == 1",
        "{{instance}}",
    ),
];

/// What `zookube_server_state` is shown as.
const STATES: Kind = Kind::States(&[
    (0, "down", "dark-red"),
    (1, "looking", "orange"),
    (2, "read-only", "yellow"),
    (3, "observer", "light-blue"),
    (4, "follower", "green"),
    (5, "leader", "purple"),
    (6, "standalone", "purple"),
]);

/// The dashboard.
pub fn dashboard() -> Dashboard {
    Dashboard {
        name: "ensemble",
        title: "zookube / ensemble",
        about: "Is it well? Who leads, how many servers may still fail, how fast it writes, where \
        the time goes.",
        variables: &ENSEMBLE,
        notes: NOTES,
        rows: vec![
            ("Is it well?", well()),
            ("Quorum", quorum()),
            ("Replication", replication()),
            ("Writes", writes()),
            ("Disks", disks()),
        ],
    }
}

fn well() -> Vec<Panel> {
    vec![
        panel(
            Kind::Stat,
            "Leaders",
            "none",
            "One, always. 0: nothing can be written; `zookube-node doctor` on any server says \
            who is missing. 2 or more: two ensembles under one label, or an old leader that is \
            about to notice.",
        )
        .query("sum(zookube_server_state{S, state=~\"leader|standalone\"})", "leaders")
        .below("red")
        .from(1.0, "green")
        .from(2.0, "red"),
        panel(
            Kind::Stat,
            "Leader's id",
            "none",
            "Whom the servers follow. Several numbers: they do not agree, or have not yet.",
        )
        .query("max by (job, ensemble) (zookube_leader_sid{S})", "{{job}} {{ensemble}}")
        .below("red")
        .from(1.0, "text"),
        panel(
            Kind::Stat,
            "May still be lost",
            "none",
            "Voters that can fail before writes stop. At 0 bring the missing server back before \
            you restart anything.",
        )
        .query("min(zookube_quorum_margin{S})", "servers")
        .below("red")
        .from(0.0, "orange")
        .from(1.0, "green"),
        panel(
            Kind::Stat,
            "Voters behind the leader",
            "none",
            "In step with the leader, of those in the list of servers. If they differ for long, \
            one is down or cut off.",
        )
        .query("sum(zookube_synced_voters{S})", "in step")
        .query("max(zookube_voters{S})", "in the list")
        .below("text"),
        panel(
            Kind::Stat,
            "Servers that serve",
            "none",
            "Servers that take clients now. Fewer than there are: look at \"Who is what\".",
        )
        .query("sum(zookube_serving{S})", "serving")
        .below("red")
        .from(1.0, "green"),
        panel(
            Kind::Stat,
            "Alerts",
            "none",
            "Firing for this ensemble. docs/operating/alerts.md has a section for each.",
        )
        .query(
            "count(ALERTS{S, alertname=~\"Zookube.*\", alertstate=\"firing\", \
            severity!=\"info\"}) or vector(0)",
            "firing",
        )
        .from(1.0, "red"),
    ]
}

fn quorum() -> Vec<Panel> {
    let states = "max by (instance) (\
    6 * zookube_server_state{S, state=\"standalone\"} or 5 * zookube_server_state{S, state=\"leader\"} \
    or 4 * zookube_server_state{S, state=\"follower\"} or 3 * zookube_server_state{S, state=\"observer\"} \
    or 2 * zookube_server_state{S, state=\"read-only\"} or zookube_server_state{S, state=\"looking\"}) \
    or 0 * max by (instance) (up{S} == 0)";
    vec![
        panel(
            STATES,
            "Who is what",
            "none",
            "A server that is often looking loses its leader: see its disk and its processor. \
            Two leaders side by side for a moment are an old one that has not noticed.",
        )
        .query(states, "{{instance}}")
        .wide(24),
        panel(
            Kind::Lines,
            "Elections",
            "none",
            "Elections that a server went through, each 5 minutes. A lost leader is one for \
            each; more, again and again, is a storm: clients are cut off each time.",
        )
        .query("increase(zookube_elections_total{S}[5m])", "{{instance}}")
        .from(3.0, "red"),
        panel(
            Kind::Lines,
            "Length of elections",
            "s",
            "From the loss of the leader until the server serves again. Tens of milliseconds; \
            seconds mean that servers are not reached or synchronize from snapshots.",
        )
        .quantile_by("1", "instance", "zookube_election_seconds", "{{instance}}")
        .from(1.0, "orange"),
        panel(
            Kind::Lines,
            "Epoch",
            "none",
            "Grows by one with each new leader. Servers with another epoch than the rest are \
            cut off.",
        )
        .query("zookube_epoch{S}", "{{instance}}"),
        panel(
            Kind::Lines,
            "Version of the configuration",
            "none",
            "The same everywhere, except during a reconfiguration. A server that stays behind \
            does not follow.",
        )
        .query("zookube_config_version{S}", "{{instance}}"),
        panel(
            Kind::Lines,
            "Zxids used in this epoch",
            "percentunit",
            "At 100 % the leader moves to the next epoch by itself; with Apache's followers, \
            hand over before.",
        )
        .query("zookube_zxid_counter_used_ratio{S}", "{{instance}}")
        .from(0.9, "orange")
        .max(1.0),
    ]
}

fn replication() -> Vec<Panel> {
    vec![
        panel(
            Kind::Lines,
            "Not acknowledged, by peer",
            "none",
            "Transactions that the leader has proposed and the peer has not logged. Clients \
            wait for a quorum, not for the slowest; a peer that falls further and further \
            behind has a slow disk or network.",
        )
        .query("zookube_peer_lag_zxids{S}", "server {{peer}}")
        .from(1000.0, "orange"),
        panel(
            Kind::Lines,
            "Not acknowledged, by peer, bytes",
            "bytes",
            "The same in bytes, which the leader keeps in memory for it.",
        )
        .query("zookube_peer_lag_bytes{S}", "server {{peer}}"),
        panel(
            Kind::Lines,
            "Synchronizations",
            "none",
            "How learners got what they lacked, each 5 minutes: a few transactions (diff) or \
            the whole tree (snap). Many snapshots mean that servers are away for longer than \
            the log of commits reaches.",
        )
        .query("increase(diff_count{S}[5m])", "diff {{instance}}")
        .query("increase(snap_count{S}[5m])", "snap {{instance}}"),
    ]
}

fn writes() -> Vec<Panel> {
    vec![
        panel(
            Kind::Stacked,
            "Writes",
            "wps",
            "Answered writes, by the server that the client is connected to. A fall without a \
            fall of clients is the ensemble's; look at the latency.",
        )
        .query("sum by (instance) (rate(zookube_write_seconds_count{S}[R]))", "{{instance}}"),
        panel(
            Kind::Lines,
            "Write latency",
            "s",
            "From the arrival of the request until its reply is on its way, over all servers. \
            Clients see this and the network.",
        )
        .quantiles("zookube_write_seconds")
        .from(0.5, "red"),
        panel(
            Kind::Lines,
            "Where writes spend their time (99 of 100)",
            "s",
            "queue: busy driver. log_append and fsync: this server's disk. quorum: the others' \
            disks and the network. apply: large multis, many watches. reply: clients that do \
            not read.",
        )
        .quantile_by("0.99", "phase", "zookube_write_phase_seconds", "{{phase}}"),
        panel(
            Kind::Stacked,
            "Where writes spend their time (mean)",
            "s",
            "The same as means, which add up. Watch which layer grows.",
        )
        .query(
            "sum by (phase) (rate(zookube_write_phase_seconds_sum{S}[R])) / sum by (phase) \
            (rate(zookube_write_phase_seconds_count{S}[R]))",
            "{{phase}}",
        ),
        panel(
            Kind::Lines,
            "Proposals of the leader",
            "wps",
            "Transactions that the leader has proposed: writes, sessions that begin and end. \
            Far above the writes: sessions come and go.",
        )
        .query("rate(proposal_count{S}[R])", "{{instance}}"),
        panel(
            Kind::Lines,
            "Requests that wait",
            "none",
            "In process or queued. High and steady: clients ask for more than can be done, or \
            something has become slow.",
        )
        .query("outstanding_requests{S}", "{{instance}}")
        .from(1000.0, "orange"),
    ]
}

fn disks() -> Vec<Panel> {
    vec![
        panel(
            Kind::Lines,
            "Syncs of the log (99 of 100)",
            "s",
            "A write waits for the slowest disk that a quorum cannot do without. One slow disk \
            of three costs nothing yet; put its log on a disk of its own before it is two.",
        )
        .quantile_by("0.99", "instance", "zookube_fsync_seconds", "{{instance}}")
        .from(0.1, "red"),
        panel(
            Kind::Lines,
            "Free",
            "percentunit",
            "Below 10 %: make room, and check that old snapshots are purged \
            (autopurge.purgeInterval).",
        )
        .query("zookube_disk_free_bytes{S} / zookube_disk_size_bytes{S}", "{{instance}} {{dir}}")
        .max(1.0),
        panel(Kind::Lines, "Log written", "Bps", "Bytes appended to the transaction log.")
            .query("rate(zookube_log_appended_bytes_total{S}[R])", "{{instance}}"),
        panel(
            Kind::Lines,
            "Age of the last snapshot",
            "s",
            "How much log a restart would have to read. Grows without end only where little is \
            written, or where snapshots fail.",
        )
        .query("time() - zookube_last_snapshot_timestamp_seconds{S}", "{{instance}}"),
    ]
}
