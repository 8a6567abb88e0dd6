//! One server: its phases, its disk, its memory, its processor.

use super::ensemble::NOTES;
use super::model::{Dashboard, Kind, Panel, Variable, panel};

/// Which servers are looked at, one by one.
pub const SERVERS: [Variable; 3] = [
    Variable { name: "job", label: "Job", values: "label_values(zookube_build_info, job)" },
    Variable {
        name: "ensemble",
        label: "Ensemble",
        values: "label_values(zookube_build_info{job=~\"$job\"}, ensemble)",
    },
    Variable {
        name: "instance",
        label: "Server",
        values: "label_values(zookube_build_info{job=~\"$job\", ensemble=~\"$ensemble\"}, instance)",
    },
];

/// The dashboard.
pub fn dashboard() -> Dashboard {
    Dashboard {
        name: "node",
        title: "zookube / node",
        about: "Why is this server slow? Phases of writes, disk, memory, files, processor. Choose \
        one server, or compare them.",
        variables: &SERVERS,
        notes: NOTES,
        rows: vec![
            ("State", state()),
            ("Latency", latency()),
            ("Disk", disk()),
            ("Memory, files, processor", machine()),
            ("Data", data()),
        ],
    }
}

fn state() -> Vec<Panel> {
    vec![
        panel(
            Kind::Stat,
            "State",
            "none",
            "What the server is. `looking`: it has no leader; `zookube-node doctor` there says \
            why.",
        )
        .query("zookube_server_state{S} == 1", "{{instance}} {{state}}")
        .below("text")
        .wide(8),
        panel(Kind::Stat, "Serves", "none", "1: clients are taken. 0: ask http://SERVER:7000/readyz for the reason.")
            .query("zookube_serving{S}", "{{instance}}")
            .below("red")
            .from(1.0, "green"),
        panel(
            Kind::Stat,
            "Runs for",
            "s",
            "Since the process began. Short on a server that nobody restarted: read the end of \
            the log before that.",
        )
        .query("time() - (process_start_time_seconds{S} and on (job, instance) zookube_build_info)", "{{instance}}")
        .below("orange")
        .from(600.0, "green"),
        panel(
            Kind::Stat,
            "Version",
            "none",
            "Which release runs. More than one: a rolling upgrade that was not finished.",
        )
        .query("zookube_build_info{S}", "{{instance}} {{version}}")
        .below("text")
        .wide(8),
    ]
}

fn latency() -> Vec<Panel> {
    vec![
        panel(
            Kind::Lines,
            "Write latency by phase (99 of 100)",
            "s",
            "The phase that is slow says where to look. queue: processor or a flood. \
            log_append, fsync: this disk. quorum: the other voters. apply: large multis, \
            watches. reply: clients that do not read.",
        )
        .quantile_by("0.99", "phase", "zookube_write_phase_seconds", "{{phase}}"),
        panel(
            Kind::Lines,
            "Write latency by phase (half)",
            "s",
            "The usual case. If only the line of 99 of 100 is high, something is slow from time \
            to time: a neighbour on the disk, a snapshot.",
        )
        .quantile_by("0.5", "phase", "zookube_write_phase_seconds", "{{phase}}"),
        panel(
            Kind::Heatmap,
            "Writes by latency",
            "s",
            "How many writes took how long. Two bands are two kinds of writes: those that met a \
            busy disk and those that did not.",
        )
        .query("sum by (le) (increase(zookube_write_seconds_bucket{S}[R]))", "{{le}}"),
        panel(
            Kind::Heatmap,
            "Reads by latency",
            "s",
            "Reads wait for no disk and for no other server. Slow ones are long answers, or a \
            busy processor.",
        )
        .query("sum by (le) (increase(zookube_read_seconds_bucket{S}[R]))", "{{le}}"),
        panel(Kind::Lines, "Read latency", "s", "From the arrival of the request until the reply is on its way.")
            .quantiles("zookube_read_seconds"),
        panel(
            Kind::Lines,
            "Slow operations",
            "ops",
            "Slower than slowOperationThresholdMs. The log names each with the time of its \
            phases.",
        )
        .query("rate(zookube_slow_operations_total{S}[R])", "{{instance}}"),
    ]
}

fn disk() -> Vec<Panel> {
    vec![
        panel(
            Kind::Heatmap,
            "Syncs by length",
            "s",
            "Each is one fdatasync of the log. A second band far above the first: something \
            else uses the disk.",
        )
        .query("sum by (le) (increase(zookube_fsync_seconds_bucket{S}[R]))", "{{le}}"),
        panel(
            Kind::Lines,
            "Length of syncs",
            "s",
            "Above 100 ms writes are slow if a quorum is so. A dedicated disk for dataLogDir is \
            the remedy.",
        )
        .quantiles("zookube_fsync_seconds")
        .from(0.1, "red"),
        panel(
            Kind::Lines,
            "Transactions per sync",
            "none",
            "Grows with the load by itself, which is what keeps writes fast. 1: the disk is \
            faster than the clients.",
        )
        .query(
            "rate(zookube_fsync_batch_transactions_sum{S}[R]) / \
            rate(zookube_fsync_batch_transactions_count{S}[R])",
            "{{instance}}",
        ),
        panel(
            Kind::Lines,
            "Waits for the disk",
            "bytes",
            "Transactions that are not yet written. At 256 MiB no more requests are taken.",
        )
        .query("zookube_log_queue_bytes{S}", "{{instance}}")
        .from(16_777_216.0, "orange"),
        panel(
            Kind::Lines,
            "Free",
            "bytes",
            "Room on the file systems of the log and of the snapshots. Three snapshots and \
            their logs should fit beside what is there.",
        )
        .query("zookube_disk_free_bytes{S}", "{{instance}} {{dir}}"),
        panel(
            Kind::Lines,
            "Waits for room",
            "none",
            "1: the disk is full, nothing is acknowledged. Make room; the server goes on by \
            itself.",
        )
        .query("zookube_disk_is_full{S}", "{{instance}}")
        .from(1.0, "red")
        .max(1.0),
        panel(
            Kind::Lines,
            "Length of snapshots",
            "s",
            "They run beside everything else; very long ones compete with the log for the disk.",
        )
        .quantile_by("1", "instance", "zookube_snapshot_seconds", "{{instance}}"),
        panel(Kind::Lines, "Size of the last snapshot", "bytes", "What a new server has to fetch, within initLimit.")
            .query("zookube_last_snapshot_bytes{S}", "{{instance}}"),
    ]
}

fn machine() -> Vec<Panel> {
    vec![
        panel(
            Kind::Lines,
            "Memory",
            "bytes",
            "used against the limit for growth, beyond which a leader refuses creates, and the \
            control group's limit, beyond which the kernel kills. Raise the limit, or delete.",
        )
        .query("zookube_memory_used_bytes{S}", "used {{instance}}")
        .query("zookube_memory_growth_limit_bytes{S}", "growth ends {{instance}}")
        .query("zookube_memory_limit_bytes{S}", "limit {{instance}}")
        .query("process_resident_memory_bytes{S} and on (job, instance) zookube_build_info", "resident {{instance}}"),
        panel(
            Kind::Lines,
            "Refused for want of memory",
            "ops",
            "Requests that would have made the tree grow. Anything above 0 is an outage for \
            those clients.",
        )
        .query("rate(zookube_refused_for_memory_total{S}[R])", "{{instance}}"),
        panel(
            Kind::Lines,
            "File descriptors",
            "percentunit",
            "Open ones, of those allowed. Behind the limit neither clients nor servers can \
            connect: raise LimitNOFILE or look for clients that leak connections.",
        )
        .query("process_open_fds{S} / process_max_fds{S} and on (job, instance) zookube_build_info", "{{instance}}")
        .from(0.8, "red")
        .max(1.0),
        panel(
            Kind::Lines,
            "Late deadlines",
            "s",
            "By how much the driver's deadlines run late: it does not get the processor. Look \
            for a CPU quota that is used up. Late heartbeats cost the leadership.",
        )
        .quantile_by("0.99", "instance", "zookube_tick_late_seconds", "99 of 100 {{instance}}")
        .quantile_by("1", "instance", "zookube_tick_late_seconds", "highest {{instance}}")
        .from(0.5, "red"),
        panel(Kind::Lines, "Processor", "none", "Cores in use. Steady at the quota: raise it.")
            .query("rate(process_cpu_seconds_total{S}[R]) and on (job, instance) zookube_build_info", "{{instance}}"),
        panel(Kind::Lines, "Threads", "none", "A handful for each core, whatever the number of clients.")
            .query("process_threads{S} and on (job, instance) zookube_build_info", "{{instance}}"),
    ]
}

fn data() -> Vec<Panel> {
    vec![
        panel(Kind::Lines, "Znodes", "none", "Growth without end is a client that creates and never deletes.")
            .query("znode_count{S}", "all {{instance}}")
            .query("ephemerals_count{S}", "ephemeral {{instance}}"),
        panel(Kind::Lines, "Size of the data", "bytes", "Paths and data, without what the tree needs for itself.")
            .query("approximate_data_size{S}", "{{instance}}"),
        panel(
            Kind::Lines,
            "Counters of 31 bits used",
            "percentunit",
            "The highest sequence number and the highest data version of any znode. Near 100 % \
            let the application use a new znode.",
        )
        .query("zookube_max_cversion{S} / 2147483647", "sequence {{instance}}")
        .query("zookube_max_data_version{S} / 2147483647", "data version {{instance}}")
        .from(0.8, "red")
        .max(1.0),
        panel(
            Kind::Lines,
            "Digests that differ",
            "none",
            "Anything above 0: this server's tree is not the leader's. Take it out, keep its \
            data for a report, let it fetch everything.",
        )
        .query("digest_mismatches_count{S}", "{{instance}}")
        .from(1.0, "red"),
    ]
}
