//! Whether an ensemble is well: who leads, whether enough voters are behind it, how far each one is, who is missing.

use crate::tools::servers::members::Member;
use crate::tools::servers::sample::{Behind, Role, Sample};
use std::borrow::Borrow;

/// A member, and what it tells or why it does not.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Which one.
    pub member: Member,
    /// What it tells.
    pub sample: Result<Sample, String>,
}

impl Row {
    fn role(&self) -> Option<Role> {
        self.sample.as_ref().ok().and_then(|sample| sample.role)
    }

    /// Whether it has a vote: as the configuration says, else as far as its role tells.
    #[must_use]
    pub fn votes(&self) -> bool {
        self.member.votes.unwrap_or(self.role() != Some(Role::Observer))
    }

    fn is_in_step(&self) -> bool {
        self.role().is_some_and(Role::is_in_step)
    }

    /// Its id, from the configuration or its own mouth.
    #[must_use]
    pub fn sid(&self) -> Option<i64> {
        self.member.sid.or_else(|| self.sample.as_ref().ok().and_then(|sample| sample.sid))
    }
}

/// How far a member is behind the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// Transactions that it has not applied; `None`: it is in another epoch, whose zxids are no measure.
    pub zxids: Option<u64>,
    /// What the leader has heard of it.
    pub told: Option<Behind>,
}

/// What is to be said of all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Which row leads.
    pub leader: Option<usize>,
    /// Its epoch.
    pub epoch: Option<i64>,
    /// Members with a vote.
    pub voters: usize,
    /// Of them, those that lead or follow.
    pub in_step: usize,
    /// How many are a quorum.
    pub needed: usize,
    /// Whether there is a leader with a quorum.
    pub has_quorum: bool,
    /// What is wrong; nothing: all is well.
    pub problems: Vec<String>,
}

impl Verdict {
    /// Judges. Where votes have weights, heads say nothing and the leader is believed: it stops leading when it loses its quorum.
    #[must_use]
    pub fn of(rows: &[impl Borrow<Row>], is_weighted: bool) -> Verdict {
        let rows: Vec<&Row> = rows.iter().map(Borrow::borrow).collect();
        let zxid_of = |row: &Row| row.sample.as_ref().map_or((None, None), |sample| (sample.epoch(), sample.zxid));
        let leads = |row: &Row| matches!(row.role(), Some(Role::Leader | Role::Standalone));
        let leaders: Vec<usize> = (0..rows.len()).filter(|at| leads(rows[*at])).collect();
        // One that has lost its followers finds out late; the one of the later epoch is the one.
        let leader = leaders.iter().copied().max_by_key(|at| zxid_of(rows[*at]));
        let seen = rows.iter().filter(|row| row.votes()).count();
        // A connect string need not name them all.
        let told = rows.iter().filter_map(|row| row.sample.as_ref().ok()?.voters).max();
        let voters = told.and_then(|told| usize::try_from(told).ok()).map_or(seen, |told| told.max(seen));
        let in_step = rows.iter().filter(|row| row.votes() && row.is_in_step()).count();
        let needed = voters / 2 + 1;
        let has_quorum = leader.is_some() && (is_weighted || in_step >= needed);
        let mut problems = Vec::new();
        // Nobody follows without a leader, wherever that may be.
        let is_followed = rows.iter().any(|row| matches!(row.role(), Some(Role::Follower | Role::Observer)));
        if leader.is_none() && is_followed {
            problems.push(
                "the leader is none of those that answer; name the client port of every server with -s".to_owned(),
            );
        } else if leader.is_none() {
            problems.push("no leader: no server takes writes".to_owned());
        } else if !has_quorum {
            problems.push(format!("no quorum: {in_step} of {voters} voters are in step, {needed} are needed"));
        }
        if leaders.len() > 1 {
            let names: Vec<String> = leaders.iter().map(|at| rows[*at].member.name()).collect();
            problems.push(format!("{} say that they lead; one of them has not found out yet", names.join(" and ")));
        }
        problems.extend(rows.iter().copied().filter_map(problem));
        let epoch = leader.and_then(|at| zxid_of(rows[at]).0);
        Verdict { leader, epoch, voters, in_step, needed, has_quorum, problems }
    }

    /// Whether there is nothing to complain of.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.problems.is_empty()
    }

    /// How far a row is behind the leader; `None` where that is not known.
    #[must_use]
    pub fn lag(&self, rows: &[impl Borrow<Row>], row: &Row) -> Option<Lag> {
        let leader: &Row = rows.get(self.leader?)?.borrow();
        let leader = leader.sample.as_ref().ok()?;
        let (of_leader, own) = (leader.zxid?, row.sample.as_ref().ok()?.zxid?);
        // The samples are not of the same moment: a follower may have been asked later than its leader.
        let zxids = (of_leader >> 32 == own >> 32).then(|| u64::try_from(of_leader - own).unwrap_or(0));
        let told = row.sid().and_then(|sid| leader.behind.get(&sid)).copied();
        Some(Lag { zxids, told })
    }
}

fn problem(row: &Row) -> Option<String> {
    let name = row.member.name();
    match &row.sample {
        Err(why) => Some(format!("{name} is missing: {why}")),
        Ok(sample) => match sample.role {
            Some(role) if role.is_in_step() => None,
            Some(Role::NotServing) | None => {
                let reason = sample.reason.as_deref().unwrap_or("it does not say why");
                Some(format!("{name} does not tell its role: {reason}"))
            }
            Some(role) => {
                let reason = sample.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
                Some(format!("{name} is {}{reason}", role.name()))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::HostPort;

    fn row(sid: i64, votes: bool, role: Role, zxid: i64) -> Row {
        let address = HostPort { host: format!("zk{sid}"), port: 2181 };
        let sample = Sample { role: Some(role), zxid: Some(zxid), ..Sample::default() };
        Row { member: Member { sid: Some(sid), votes: Some(votes), address, is_guessed: false }, sample: Ok(sample) }
    }

    fn missing(sid: i64) -> Row {
        Row { sample: Err("nobody listens".into()), ..row(sid, true, Role::Follower, 0) }
    }

    const EPOCH: i64 = 3 << 32;

    fn well() -> Vec<Row> {
        vec![
            row(1, true, Role::Leader, EPOCH + 9),
            row(2, true, Role::Follower, EPOCH + 7),
            row(3, true, Role::Follower, EPOCH + 10),
            row(4, false, Role::Observer, EPOCH - (1 << 32)),
        ]
    }

    #[test]
    fn an_ensemble_that_is_well() {
        let rows = well();
        let verdict = Verdict::of(&rows, false);
        assert_eq!((verdict.leader, verdict.epoch, verdict.has_quorum), (Some(0), Some(3), true));
        assert_eq!((verdict.voters, verdict.in_step, verdict.needed), (3, 3, 2));
        assert!(verdict.is_well());
        let lags: Vec<_> = rows.iter().map(|row| verdict.lag(&rows, row).unwrap().zxids).collect();
        assert_eq!(lags, [Some(0), Some(2), Some(0), None]);
    }

    #[test]
    fn one_that_is_missing_leaves_a_quorum_and_is_told_of() {
        let mut rows = well();
        rows[2] = missing(3);
        let verdict = Verdict::of(&rows, false);
        assert!(verdict.has_quorum && !verdict.is_well());
        assert_eq!(verdict.problems, ["server 3 (zk3:2181) is missing: nobody listens"]);
    }

    #[test]
    fn without_a_quorum() {
        let rows = vec![row(1, true, Role::Looking, EPOCH), missing(2), missing(3)];
        let verdict = Verdict::of(&rows, false);
        assert!(!verdict.has_quorum);
        assert_eq!((verdict.leader, verdict.problems[0].as_str()), (None, "no leader: no server takes writes"));
        assert_eq!(verdict.problems[1], "server 1 (zk1:2181) is looking");
        // Who follows has a leader, wherever that is.
        let rows = vec![row(1, true, Role::Follower, EPOCH), missing(2), missing(3)];
        let verdict = Verdict::of(&rows, false);
        assert!(!verdict.has_quorum && verdict.problems[0].starts_with("the leader is none of those that answer; "));
        // It finds out some ticks later.
        let rows = vec![row(1, true, Role::Leader, EPOCH), missing(2), missing(3)];
        let verdict = Verdict::of(&rows, false);
        assert_eq!(verdict.problems[0], "no quorum: 1 of 3 voters are in step, 2 are needed");
        assert!(Verdict::of(&rows, true).has_quorum, "with weights the leader is believed");
    }

    #[test]
    fn voters_that_nobody_has_named_count_too() {
        let mut rows = vec![row(1, true, Role::Looking, EPOCH)];
        rows[0].sample.as_mut().unwrap().voters = Some(3);
        let verdict = Verdict::of(&rows, false);
        assert_eq!((verdict.voters, verdict.needed), (3, 2));
    }

    #[test]
    fn of_two_leaders_the_later_epoch_leads() {
        let mut rows = well();
        rows[1] = row(2, true, Role::Leader, EPOCH + (1 << 32));
        let verdict = Verdict::of(&rows, false);
        assert_eq!(verdict.leader, Some(1));
        assert!(verdict.problems[0].contains("server 1 (zk1:2181) and server 2 (zk2:2181) say that they lead"));
    }

    #[test]
    fn a_standalone_server_is_its_own_quorum() {
        let mut rows = vec![row(0, true, Role::Standalone, EPOCH)];
        rows[0].member.votes = None;
        assert!(Verdict::of(&rows, false).is_well());
    }
}
