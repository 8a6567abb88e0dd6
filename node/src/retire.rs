//! Retiring a server while it runs: it has left the ensemble, and its data are to count for nobody any more.
//!
//! Whoever runs the ensemble knows that the server has left; the server knows it of itself. Both must agree, because the stamp cannot be
//! taken back: a member that stopped here for good would be missed in every quorum. So the driver decides, between two inputs of the
//! core, writes the stamp while nothing else can happen, and stops the core at once: no reconfiguration that names this server
//! can be logged or put in force in between. What it has not been sent yet it cannot know; that nobody proposes to let it in again at the
//! same time is up to whoever retires it.

use crate::shared::Configurations;
use crate::volume::Volume;
use std::io;
use std::sync::Arc;
use tokio::sync::oneshot;
use wire::ServerId;

/// An order to retire, for the driver.
#[derive(Debug)]
pub struct Retire {
    /// The version of the configuration by which the server has left.
    pub version: i64,
    /// What is stamped.
    pub volume: Arc<Volume>,
    /// Told the version in the stamp once that is durable, or why there is none.
    pub answer: oneshot::Sender<Result<i64, Refusal>>,
}

/// Why a server does not retire. It goes on as before.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It is no member of anything.
    #[error("this server runs alone: it can leave nothing")]
    Alone,
    /// It has not heard of the configuration by which it is said to have left.
    #[error(
        "the last configuration that this server knows to be committed is {known:#x}, which is older than {asked:#x}"
    )]
    Behind {
        /// The one that it knows.
        known: i64,
        /// The one that was named.
        asked: i64,
    },
    /// It has not left.
    #[error("server {me} is a member of the committed configuration {version:#x}")]
    Member {
        /// The server.
        me: ServerId,
        /// The configuration.
        version: i64,
    },
    /// It is about to be let in.
    #[error("server {me} is a member of configuration {version:#x}, which was proposed and may be committed")]
    Proposed {
        /// The server.
        me: ServerId,
        /// The configuration.
        version: i64,
    },
    /// It leads.
    #[error("this server leads")]
    Leads,
    /// It was told to stop.
    #[error("this server stops")]
    Stops,
    /// The stamp is not there.
    #[error("write the stamp of the volume: {0}")]
    Stamp(io::Error),
}

impl Refusal {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Refusal::Alone => "stop it",
            Refusal::Behind { .. } => {
                "wait until it has heard of the change, or stop it and use `zookube-node volume retire`"
            }
            Refusal::Member { .. } => "remove it from the ensemble first",
            Refusal::Proposed { .. } => "wait until that change is committed or given up",
            Refusal::Leads => "a leader that has left hands over by itself; ask again",
            Refusal::Stops => "ask again when it runs, or use `zookube-node volume retire`",
            Refusal::Stamp(_) => "the data directory must be writable and have room; ask again",
        }
    }
}

/// A server at the moment of the order.
#[derive(Debug)]
pub struct Standing {
    /// Its id.
    pub me: ServerId,
    /// What it goes by; `None` for one that runs alone.
    pub configurations: Option<Configurations>,
    /// Whether it leads.
    pub leads: bool,
}

impl Standing {
    /// Whether the server has left by the configuration of this version, as far as it knows.
    ///
    /// # Errors
    /// Why not.
    pub fn may_retire(&self, asked: i64) -> Result<(), Refusal> {
        let me = self.me;
        let Configurations { committed, pending } = self.configurations.as_ref().ok_or(Refusal::Alone)?;
        let known = committed.version;
        if known < asked {
            return Err(Refusal::Behind { known, asked });
        }
        if committed.is_member(me) {
            return Err(Refusal::Member { me, version: known });
        }
        if let Some(pending) = pending.as_ref().filter(|pending| pending.is_member(me)) {
            return Err(Refusal::Proposed { me, version: pending.version });
        }
        if self.leads { Err(Refusal::Leads) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zab::quorum::Membership;

    const ASKED: i64 = 0x1_0000_0007;

    fn list(members: &[i64], version: i64) -> Arc<Membership> {
        let lines: String = members.iter().map(|sid| format!("server.{sid}=h:2888:3888\n")).collect();
        Arc::new(Membership::parse(&format!("{lines}version={version:x}")).unwrap())
    }

    fn refusal(committed: Arc<Membership>, pending: Option<Arc<Membership>>, leads: bool) -> Option<String> {
        let configurations = Some(Configurations { committed, pending });
        let standing = Standing { me: ServerId(3), configurations, leads };
        standing.may_retire(ASKED).err().map(|refusal| refusal.to_string())
    }

    #[test]
    fn only_who_has_left_retires() {
        assert_eq!(refusal(list(&[1, 2], ASKED), None, false), None);
        assert_eq!(refusal(list(&[1, 2], ASKED + 1), Some(list(&[1], ASKED + 2)), false), None);
        for (committed, pending, leads, said) in [
            (list(&[1, 2, 3], ASKED), None, false, "server 3 is a member of the committed configuration 0x100000007"),
            (list(&[1, 2], ASKED - 1), None, false, "is 0x100000006, which is older than 0x100000007"),
            (list(&[1, 2], 0), None, false, "is 0x0, which is older than 0x100000007"),
            (
                list(&[1, 2], ASKED),
                Some(list(&[1, 3], ASKED + 1)),
                false,
                "server 3 is a member of configuration 0x100000008",
            ),
            (list(&[1, 2], ASKED), None, true, "this server leads"),
        ] {
            let found = refusal(committed, pending, leads).unwrap();
            assert!(found.contains(said), "{found}");
        }
        let alone = Standing { me: ServerId(0), configurations: None, leads: false };
        assert!(matches!(alone.may_retire(ASKED), Err(Refusal::Alone)));
    }
}
