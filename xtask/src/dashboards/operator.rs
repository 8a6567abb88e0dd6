//! The operator: what it has reconciled, and what it knows of its clusters.

use super::model::{Dashboard, Kind, Panel, Variable, panel};

/// Which operator is looked at.
const OPERATOR: [Variable; 1] =
    [Variable { name: "job", label: "Job", values: "label_values(zkop_leader_election_is_leader, job)" }];

/// The dashboard.
pub fn dashboard() -> Dashboard {
    Dashboard {
        name: "operator",
        title: "zookube / operator",
        about: "What the Kubernetes operator does and knows: clusters, members, rollouts, backups, \
        certificates.",
        variables: &OPERATOR,
        notes: &[("Another leader", "purple", "changes(zkop_leader_election_is_leader{S}[1m]) > 0", "{{pod}}")],
        rows: vec![("Clusters", clusters()), ("Changes", changes()), ("The operator itself", itself())],
    }
}

fn clusters() -> Vec<Panel> {
    vec![
        panel(
            Kind::Stat,
            "Clusters by phase",
            "none",
            "Anything but Running for long: `kubectl describe zk NAME` has the condition that \
            says why.",
        )
        .query("count by (phase) (zkop_cluster_info{S})", "{{phase}}")
        .below("text")
        .wide(8),
        panel(
            Kind::Stat,
            "Without a quorum",
            "none",
            "Clusters that cannot write. The alerts of the ensemble say more.",
        )
        .query("count(zkop_cluster_quorum{S} == 0) or vector(0)", "clusters")
        .from(1.0, "red")
        .wide(4),
        panel(Kind::Stat, "Versions", "none", "How many clusters run which release.")
            .query("count by (version) (zkop_cluster_info{S})", "{{version}}")
            .below("text")
            .wide(12),
        panel(Kind::Lines, "Voters", "none", "By state. A voter that stays away from `synced` holds up every change.")
            .query("zkop_cluster_voters{S}", "{{name}} {{state}}"),
        panel(Kind::Lines, "Changes of leader", "none", "Each 15 minutes. One for each rollout is as it should be.")
            .query("increase(zkop_cluster_leader_changes_total{S}[15m])", "{{name}}")
            .from(4.0, "red"),
        panel(
            Kind::Lines,
            "Lag of members",
            "none",
            "Transactions behind the leader, as the operator sees it before it dares the next \
            step.",
        )
        .query("zkop_member_lag_txns{S}", "{{name}} {{id}}"),
        panel(Kind::Lines, "Version of the configuration", "none", "Grows with each member that joins or leaves.")
            .query("zkop_cluster_config_version{S}", "{{name}}"),
    ]
}

fn changes() -> Vec<Panel> {
    vec![
        panel(
            Kind::Stacked,
            "Actions",
            "ops",
            "What the operator did. The same action again and again does not take effect: see \
            its log.",
        )
        .query("sum by (action) (rate(zkop_action_total{S}[R]))", "{{action}}"),
        panel(
            Kind::Lines,
            "Length of steps and rollouts (99 of 100)",
            "s",
            "A member that joins has to fetch the snapshot; a rollout waits for every member to \
            be in step.",
        )
        .quantile_by("0.99", "name", "zkop_scale_step_seconds", "step {{name}}")
        .quantile_by("0.99", "name", "zkop_rollout_seconds", "rollout {{name}}"),
        panel(Kind::Lines, "Age of the last backup", "s", "Older than its schedule: look at the job's pod.")
            .query("time() - zkop_backup_last_success_timestamp{S}", "{{name}}")
            .from(172_800.0, "red"),
        panel(Kind::Lines, "Certificates expire in", "s", "Below a week they should have been renewed.")
            .query("zkop_cert_expiry_seconds{S}", "{{name}}")
            .below("red")
            .from(604_800.0, "green"),
    ]
}

fn itself() -> Vec<Panel> {
    vec![
        panel(Kind::Stat, "Leads", "none", "One of its replicas, always. 0: none can hold the lease; see its log.")
            .query("sum(zkop_leader_election_is_leader{S})", "leaders")
            .below("red")
            .from(1.0, "green")
            .from(2.0, "red"),
        panel(
            Kind::Stacked,
            "Reconciliations",
            "ops",
            "By result. Errors that do not become fewer: the panel of errors names them.",
        )
        .query("sum by (result) (rate(zkop_reconcile_total{S}[R]))", "{{result}}")
        .wide(10),
        panel(
            Kind::Lines,
            "Length of reconciliations",
            "s",
            "They wait for the API server and for servers of ensembles.",
        )
        .quantiles("zkop_reconcile_duration_seconds")
        .wide(10),
        panel(
            Kind::Stacked,
            "Errors",
            "ops",
            "By kind. Errors that do not stop are in the conditions of the cluster too.",
        )
        .query("sum by (error) (rate(zkop_reconcile_errors_total{S}[R]))", "{{error}}"),
        panel(
            Kind::Lines,
            "Calls of servers that failed",
            "ops",
            "The operator asks servers on their admin port: a network policy, or a server that \
            is down.",
        )
        .query("sum(rate(zkop_admin_call_errors_total{S}[R]))", "failed"),
    ]
}
