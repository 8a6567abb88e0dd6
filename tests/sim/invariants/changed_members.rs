//! The ensemble changes as the history says: a version names one configuration, what a server goes by only becomes later, the
//! znode `/zookeeper/config` shows the reconfiguration that was applied last, and a leader that no longer votes proposes nothing.

use super::Invariant;
use crate::model::{Members, Model};
use crate::observe::{Answer, Body, Observation, Op};
use std::collections::{BTreeMap, BTreeSet};
use tree::{CONFIG_PATH, Tree};
use wire::txn::{Txn, TxnEntry};
use wire::{ErrorCode, ServerId, Zxid};
use zab::quorum::Membership;

/// Looks at what servers go by and at what their trees say.
#[derive(Default)]
pub struct ChangedMembers {
    /// By version. Of one that was configured servers may know only a part: it has version 0.
    texts: BTreeMap<i64, String>,
    /// Servers that serve as leaders and have applied a reconfiguration that leaves them without a vote, and its version.
    removed: BTreeMap<ServerId, i64>,
    found: BTreeMap<ServerId, i64>,
    examined: u64,
}

impl ChangedMembers {
    fn claim(&mut self, version: i64, text: &str, who: &str) -> Result<(), String> {
        if version == 0 {
            return Ok(());
        }
        self.examined += 1;
        let known = self.texts.entry(version).or_insert_with(|| text.to_owned());
        if known == text {
            return Ok(());
        }
        Err(format!("{who} has as configuration {version:x} {text:?}, others have {known:?}"))
    }

    fn on_configured(&mut self, server: ServerId, membership: &Membership, is_news: bool) -> Result<(), String> {
        let version = membership.version;
        let before = self.found.insert(server, version).unwrap_or_default();
        if is_news && version <= before {
            return Err(format!("server {server} goes by configuration {version:x} after {before:x}"));
        }
        self.claim(version, &membership.to_text(), &format!("server {server}"))
    }

    fn on_applied(&mut self, server: ServerId, entry: &TxnEntry, tree: &Tree, model: &Model) -> Result<(), String> {
        let Txn::Reconfig { data: Some(text), .. } = &entry.txn else { return Ok(()) };
        let text = String::from_utf8_lossy(text);
        self.claim(entry.zxid().0, &text, &format!("the log of server {server}"))?;
        let shown = config_in(tree);
        if shown != text {
            return Err(format!("server {server} applied {} and shows {shown:?}, not {text:?}", entry.zxid()));
        }
        let decides = model.server(server).service().is_some_and(|service| service.decides());
        let votes = model.ensembles().iter().any(|m| m.version == entry.zxid().0 && m.voters.contains(&server));
        if decides && !votes {
            self.removed.insert(server, entry.zxid().0);
        }
        Ok(())
    }

    /// A server that serves, or rests, shows the configuration that it goes by, or the one that it is about to go by: what it has
    /// applied just now.
    fn check_shown(&mut self, server: ServerId, tree: &Tree, model: &Model) -> Result<(), String> {
        let Some(own) = model.server(server).members() else { return Ok(()) };
        self.examined += 1;
        let shown = config_in(tree);
        let history = model.server(server).applied().iter().rev();
        let text = |no| match &model.entry(no).txn {
            Txn::Reconfig { data: Some(text), .. } if model.zxid(no).0 > own.version => Some(text.clone()),
            _ => None,
        };
        let applied = history.copied().take_while(|&no| model.zxid(no).0 > own.version).find_map(text);
        if applied.as_deref().unwrap_or(own.text.as_bytes()) == shown.as_bytes() {
            return Ok(());
        }
        Err(format!("server {server} goes by {:?} and shows {shown:?}", own.text))
    }
}

/// Whether no reconfiguration made it.
fn is_first(members: &Members) -> bool {
    Zxid(members.version).counter() == 0
}

fn config_in(tree: &Tree) -> String {
    let text = tree.get_data(CONFIG_PATH).flatten().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

impl Invariant for ChangedMembers {
    fn name(&self) -> &'static str {
        "changed_members"
    }

    fn observe(&mut self, seen: &Observation<'_>, model: &Model) -> Result<(), String> {
        match *seen {
            Observation::Configured { server, membership, is_news } => self.on_configured(server, membership, is_news),
            Observation::Applied { server, entry, tree } => self.on_applied(server, entry, tree, model),
            Observation::Appended { server, proposal, own: true } => match self.removed.get(&server) {
                None => Ok(()),
                Some(version) => Err(format!(
                    "server {server} proposes {}, although configuration {version:x} has taken its vote",
                    proposal.zxid
                )),
            },
            Observation::Stopped { server } | Observation::Died { server } => {
                self.removed.remove(&server);
                Ok(())
            }
            Observation::Serving { server, tree, .. } => self.check_shown(server, tree, model),
            Observation::AtRest { server, tree } => {
                self.check_shown(server, tree, model)?;
                let (own, last) = (model.server(server).members(), model.members());
                match own {
                    // The version with which an ensemble begins is in no log: a quorum of servers that were given their first list
                    // again has forgotten it, and its next leader gives that list another one.
                    Some(own) if own.version != last.version && !(is_first(own) && is_first(last)) => Err(format!(
                        "server {server} rests with configuration {:x}, but {:x} was in force",
                        own.version, last.version
                    )),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}

/// Compares the answer to a reconfig with its transaction, and both with the configuration that was in force before.
///
/// # Errors
/// When they do not fit.
pub(super) fn check_answer(op: &Op, answer: &Answer, entry: &TxnEntry, model: &Model) -> Result<(), String> {
    let Op::Reconfig { joining, leaving, members, version } = op else { return Ok(()) };
    let behind = model.ensembles().partition_point(|members| members.version < answer.zxid.0);
    let last = &model.ensembles()[behind.saturating_sub(1)];
    let is_stale = *version != -1 && *version != last.version;
    let wanted = match members {
        Some(members) => roles(members),
        None => {
            let mut wanted = BTreeMap::new();
            wanted.extend(last.voters.iter().map(|sid| (*sid, true)));
            wanted.extend(last.observers.iter().map(|sid| (*sid, false)));
            let leaving: BTreeSet<i64> = leaving.split(',').filter_map(|sid| sid.parse().ok()).collect();
            wanted.retain(|sid, _| !leaving.contains(&sid.0));
            wanted.extend(roles(joining));
            wanted
        }
    };
    let nobody_votes = !wanted.values().any(|votes| *votes);
    match (&entry.txn, &answer.body) {
        (Txn::Reconfig { path, data, .. }, Body::Data(shown, _)) if path == CONFIG_PATH && data == shown => {
            let made = model.ensembles().get(behind).filter(|made| made.version == answer.zxid.0);
            let made = made.ok_or("it is answered before it is in force")?;
            if is_stale {
                return Err(format!("it was asked for version {version:x}, {:x} was in force", last.version));
            }
            if made_roles(made) != wanted {
                return Err(format!("the members are {made:?}, behind {last:?}"));
            }
            Ok(())
        }
        (Txn::Error { code }, _) if answer.error.code() == *code => match answer.error {
            ErrorCode::ReconfigInProgress => Ok(()),
            ErrorCode::BadVersion if is_stale => Ok(()),
            // All anew and observers alone: Apache did not expect that.
            ErrorCode::BadArguments | ErrorCode::MarshallingError if nobody_votes && !is_stale => Ok(()),
            ErrorCode::NewConfigNoQuorum if !is_stale && !nobody_votes => Ok(()),
            _ => Err(format!("version {:x} is in force, {wanted:?} would be the members", last.version)),
        },
        (txn, _) => Err(format!("transaction {} is {txn:?}", answer.zxid)),
    }
}

fn made_roles(members: &Members) -> BTreeMap<ServerId, bool> {
    let voters = members.voters.iter().map(|sid| (*sid, true));
    voters.chain(members.observers.iter().map(|sid| (*sid, false))).collect()
}

/// Who is named by these server lines, and whether as a voter.
fn roles(lines: &str) -> BTreeMap<ServerId, bool> {
    let role = |line: &str| {
        let (sid, rest) = line.strip_prefix("server.")?.split_once('=')?;
        Some((ServerId(sid.parse().ok()?), !rest.contains(":observer")))
    };
    lines.split(',').filter_map(role).collect()
}
