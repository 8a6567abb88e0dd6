//! What a copy does at a path: make, change, skip, leave, remove. Pure.

use super::kind::Kind;
use super::node::{Item, Node, What, differences};
use client::{CreateMode, Op};
use serde_json::{Value, json};
use wire::Acl;

/// How far a copy goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::Args)]
pub struct Policy {
    /// Replace the data and the ACL of what differs; without it a difference is reported and left.
    #[arg(long)]
    pub overwrite: bool,
    /// Remove what the source has not, ephemerals apart.
    #[arg(long)]
    pub delete: bool,
    /// Only say what would be done.
    #[arg(long)]
    pub dry_run: bool,
}

/// What to do at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// There is nothing yet: make it.
    Make(Node),
    /// It is there, and the same.
    Skip,
    /// Replace what differs.
    Change {
        /// What it shall be.
        node: Node,
        /// The data's version that the target had, if the data differ.
        data_version: Option<i32>,
        /// The ACL's version that the target had, if it differs.
        acl_version: Option<i32>,
    },
    /// It differs, and stays as it is.
    Differ(Vec<What>),
    /// The source has it not: remove it, at this version.
    Remove(i32),
    /// The source has an ephemeral, which cannot be copied; or the target has one that the source has not.
    Ephemeral,
    /// One of the two cannot be read.
    Closed(String),
    /// The source has it not, and it stays.
    Keep,
}

/// Decides on a path; `source` and `target` are what the two sides have there. `is_root` = of the target's ensemble.
#[must_use]
pub fn decide(source: Option<Item>, target: Option<Item>, policy: Policy, is_root: bool) -> Step {
    match (source, target) {
        (Some(Item::Closed { reason, .. }), _) | (_, Some(Item::Closed { reason, .. })) => Step::Closed(reason),
        (Some(Item::Ephemeral { .. }), _) | (None, Some(Item::Ephemeral { .. })) => Step::Ephemeral,
        (Some(Item::Node(node)), None) => Step::Make(node),
        (Some(Item::Node(node)), Some(Item::Ephemeral { owner, .. })) => {
            Step::Differ(vec![What::Kind(node.kind.unwrap_or(Kind::Persistent), Kind::Ephemeral(owner))])
        }
        (Some(Item::Node(node)), Some(Item::Node(there))) => settle(node, &there, policy, is_root),
        (None, Some(Item::Node(there))) if policy.delete => Step::Remove(there.stat.map_or(-1, |stat| stat.version)),
        (None, _) => Step::Keep,
    }
}

fn settle(node: Node, there: &Node, policy: Policy, is_root: bool) -> Step {
    let mut found = differences(&node, there);
    if is_root {
        // It is always persistent, whatever it is a copy of.
        found.retain(|what| !matches!(what, What::Kind(..)));
    }
    let is_other_type = found.iter().any(|what| matches!(what, What::Kind(..)));
    if found.is_empty() {
        return Step::Skip;
    }
    // A type never changes: only who deletes the znode first can have another.
    if !policy.overwrite || is_other_type {
        return Step::Differ(found);
    }
    let stat = there.stat.unwrap_or_default();
    let data_version = found.iter().any(|what| matches!(what, What::Data(..))).then_some(stat.version);
    let acl_version = found.contains(&What::Acl).then_some(stat.aversion);
    Step::Change { node, data_version, acl_version }
}

/// A write that is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// One that may be part of a multi.
    Op(Op),
    /// Replace an ACL: a multi has no operation for that.
    SetAcl {
        /// The path.
        path: String,
        /// The ACL.
        acl: Vec<Acl>,
        /// The version that it must have.
        version: i32,
    },
}

impl Job {
    /// The path.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Job::Op(op) => op.path(),
            Job::SetAcl { path, .. } => path,
        }
    }

    /// About how many bytes it takes on its way.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let data = match self {
            Job::Op(Op::Create { data, .. } | Op::SetData { data, .. }) => data.as_ref().map_or(0, Vec::len),
            _ => 0,
        };
        self.path().len() + data + 256
    }
}

/// The writes of a step.
#[must_use]
pub fn jobs(step: &Step, target: &str) -> Vec<Job> {
    let path = target.to_owned();
    match step {
        Step::Make(node) => {
            let (mode, ttl_ms) = match node.kind {
                Some(Kind::Container) => (CreateMode::Container, None),
                Some(Kind::Ttl(ms)) => (CreateMode::PersistentTtl, Some(ms)),
                Some(Kind::Persistent | Kind::Ephemeral(_)) | None => (CreateMode::Persistent, None),
            };
            vec![Job::Op(Op::Create { path, data: node.data.clone(), acl: node.acl.clone(), mode, ttl_ms })]
        }
        // The data first: with the new ACL they may no longer be this client's to write.
        Step::Change { node, data_version, acl_version } => {
            let data = data_version
                .map(|version| Job::Op(Op::SetData { path: path.clone(), data: node.data.clone(), version }));
            let acl = acl_version.map(|version| Job::SetAcl { path: path.clone(), acl: node.acl.clone(), version });
            data.into_iter().chain(acl).collect()
        }
        Step::Remove(version) => vec![Job::Op(Op::Delete { path, version: *version })],
        _ => Vec::new(),
    }
}

/// What was done, or would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Znodes that were made.
    pub made: u64,
    /// Znodes whose data or ACL were replaced.
    pub changed: u64,
    /// Znodes that were removed.
    pub removed: u64,
    /// Znodes that were there already, and the same.
    pub same: u64,
    /// Znodes that differ and were left.
    pub differing: u64,
    /// Ephemerals that were left out.
    pub ephemerals: u64,
    /// Znodes that could not be read.
    pub closed: u64,
    /// Znodes that could not be written.
    pub failed: u64,
}

impl Tally {
    /// Counts a step as done.
    pub fn count(&mut self, step: &Step) {
        let counter = match step {
            Step::Make(_) => &mut self.made,
            Step::Skip => &mut self.same,
            Step::Change { .. } => &mut self.changed,
            Step::Differ(_) => &mut self.differing,
            Step::Remove(_) => &mut self.removed,
            Step::Ephemeral => &mut self.ephemerals,
            Step::Closed(_) => &mut self.closed,
            Step::Keep => return,
        };
        *counter += 1;
    }

    /// A step that was counted as done was not.
    pub fn fail(&mut self, step: &Step) {
        match step {
            Step::Make(_) => self.made -= 1,
            Step::Change { .. } => self.changed -= 1,
            Step::Remove(_) => self.removed -= 1,
            _ => return,
        }
        self.failed += 1;
    }

    /// Whether the target now has what the source has.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.differing == 0 && self.closed == 0 && self.failed == 0
    }

    /// The last line, for people. Zeros of what is rare are left out.
    #[must_use]
    pub fn text(&self, is_dry_run: bool) -> String {
        let would = if is_dry_run { "would be " } else { "" };
        let mut text = format!(
            "{would}made {}, changed {}, removed {}; already there {}",
            self.made, self.changed, self.removed, self.same
        );
        let rare = [
            (self.differing, "different and left"),
            (self.ephemerals, "ephemerals left out"),
            (self.closed, "not readable"),
            (self.failed, "failed"),
        ];
        for (number, what) in rare.iter().filter(|(number, _)| *number > 0) {
            text += &format!("; {what} {number}");
        }
        text
    }

    /// The last line, for programs.
    #[must_use]
    pub fn document(&self) -> Value {
        json!({"summary": {
            "made": self.made, "changed": self.changed, "removed": self.removed, "same": self.same, "differing": self.differing,
            "ephemerals": self.ephemerals, "unreadable": self.closed, "failed": self.failed,
        }})
    }
}

/// What a step does, in words: the action and, where there is one, its reason. `None` where nothing needs to be said.
#[must_use]
pub fn words(step: &Step) -> Option<(&'static str, String)> {
    Some(match step {
        Step::Make(_) => ("make", String::new()),
        Step::Change { data_version, acl_version, .. } => {
            let parts = [data_version.map(|_| "data"), acl_version.map(|_| "acl")];
            ("change", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
        }
        Step::Differ(what) => ("differs", what.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        Step::Remove(_) => ("remove", String::new()),
        Step::Closed(reason) => ("unreadable", reason.clone()),
        Step::Skip => ("skip", String::new()),
        Step::Ephemeral => ("ephemeral", String::new()),
        Step::Keep => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::node::tests::node;
    use wire::{Id, Perms, Stat};

    const CAREFUL: Policy = Policy { overwrite: false, delete: false, dry_run: false };
    const FULL: Policy = Policy { overwrite: true, delete: true, dry_run: false };

    fn item(data: Option<&str>) -> Option<Item> {
        Some(Item::Node(node("a", data)))
    }

    /// At the target, with versions.
    fn there(data: Option<&str>, acl: &str) -> Option<Item> {
        let stat = Some(Stat { version: 3, aversion: 5, ..Stat::default() });
        let acl = vec![Acl { perms: Perms::ALL, id: Id::new("world", acl) }];
        Some(Item::Node(Node { stat, acl, kind: None, ..node("a", data) }))
    }

    fn ephemeral() -> Option<Item> {
        Some(Item::Ephemeral { path: "a".into(), owner: 7 })
    }

    fn closed() -> Option<Item> {
        Some(Item::Closed { path: "a".into(), reason: "no".into() })
    }

    fn check(source: Option<Item>, target: Option<Item>, policy: Policy, expected: &str) {
        let step = decide(source, target, policy, false);
        let text = words(&step).map_or("keep".to_owned(), |(action, reason)| format!("{action} {reason}"));
        assert_eq!(text.trim_end(), expected);
    }

    #[test]
    fn every_pair_has_its_step() {
        check(item(None), None, CAREFUL, "make");
        check(item(Some("x")), there(Some("x"), "anyone"), CAREFUL, "skip");
        check(item(None), there(Some(""), "anyone"), CAREFUL, "differs data (null, 0 B)");
        check(item(None), there(Some(""), "anyone"), FULL, "change data");
        check(item(None), there(None, "x"), FULL, "change acl");
        check(item(Some("y")), there(None, "x"), FULL, "change data, acl");
        check(None, item(None), CAREFUL, "keep");
        check(None, item(None), FULL, "remove");
        check(ephemeral(), None, FULL, "ephemeral");
        check(None, ephemeral(), FULL, "ephemeral");
        check(item(None), ephemeral(), FULL, "differs type (persistent, ephemeral 0x7)");
        check(closed(), None, FULL, "unreadable no");
        check(None, closed(), FULL, "unreadable no");
    }

    #[test]
    fn a_type_is_never_overwritten() {
        let container = Some(Item::Node(Node { kind: Some(Kind::Container), ..node("", Some("x")) }));
        check(container.clone(), item(Some("x")), FULL, "differs type (container, persistent)");
        assert_eq!(decide(container, item(Some("x")), FULL, true), Step::Skip, "the root has no choice");
    }

    #[test]
    fn writes_have_the_versions_that_were_seen() {
        let step = decide(item(Some("y")), there(None, "x"), FULL, false);
        let set = Op::SetData { path: "/t/a".into(), data: Some(b"y".to_vec()), version: 3 };
        let acl = Job::SetAcl { path: "/t/a".into(), acl: Acl::open(), version: 5 };
        assert_eq!(jobs(&step, "/t/a"), [Job::Op(set), acl]);
        let removal = decide(None, there(None, "x"), FULL, false);
        assert_eq!(jobs(&removal, "/t/a"), [Job::Op(Op::Delete { path: "/t/a".into(), version: 3 })]);
        let made = |kind| match jobs(&Step::Make(Node { kind, ..node("a", None) }), "/t").as_slice() {
            [Job::Op(Op::Create { mode, ttl_ms, .. })] => (*mode, *ttl_ms),
            other => panic!("{other:?}"),
        };
        assert_eq!(made(None), (CreateMode::Persistent, None));
        assert_eq!(made(Some(Kind::Container)), (CreateMode::Container, None));
        assert_eq!(made(Some(Kind::Ttl(9))), (CreateMode::PersistentTtl, Some(9)));
    }

    #[test]
    fn sums_are_told() {
        let mut tally = Tally { made: 2, ..Tally::default() };
        assert_eq!(tally.text(true), "would be made 2, changed 0, removed 0; already there 0");
        assert!(tally.is_success());
        tally.fail(&Step::Make(node("", None)));
        tally.count(&Step::Ephemeral);
        assert_eq!(tally.text(false), "made 1, changed 0, removed 0; already there 0; ephemerals left out 1; failed 1");
        assert!(!tally.is_success());
    }
}
