//! A learner as its leader, or an observer as its master, sees it.

use crate::quorum::Membership;
use crate::sync::SyncKind;
use std::collections::VecDeque;
use wire::quorum::{LearnerInfo, PROTOCOL_VERSION, QuorumPacket};
use wire::{Millis, ServerId, Zxid};

/// How far a learner's link has come. The order of the variants is the order of the stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The link stands; FOLLOWERINFO or OBSERVERINFO is awaited.
    Connected,
    /// The learner is known; the epoch is not decided.
    WaitingEpoch,
    /// LEADERINFO was sent; ACKEPOCH is awaited.
    EpochSent,
    /// The epoch is promised; the epoch's quorum is awaited.
    Promised,
    /// What it lacks and NEWLEADER were sent; its acknowledgement is awaited.
    Synchronizing,
    /// It has acknowledged NEWLEADER; a quorum of such is awaited.
    Synced,
    /// UPTODATE was sent.
    Active,
}

/// What a learner says of itself in FOLLOWERINFO or OBSERVERINFO.
///
/// # Errors
/// Why it cannot be served by a server with this configuration.
pub(crate) fn introduction(packet: &QuorumPacket, config: &Membership) -> Result<LearnerInfo, String> {
    let data = packet.data.as_ref().ok_or("learner without an id")?;
    let info = LearnerInfo::decode(data).map_err(|error| error.to_string())?;
    if info.protocol_version < PROTOCOL_VERSION {
        return Err(format!("protocol version {:#x} is older than 3.4", info.protocol_version));
    }
    if info.config_version > config.version {
        return Err(format!(
            "configuration version {:#x} is later than ours, {:#x}",
            info.config_version, config.version
        ));
    }
    Ok(info)
}

/// A learner's link.
#[derive(Debug)]
pub struct Learner {
    sid: Option<ServerId>,
    /// Whether it introduced itself as an observer.
    pub observes: bool,
    /// How far it has come.
    pub stage: Stage,
    /// Its last zxid when it came.
    pub last_zxid: Zxid,
    /// The last proposal of this epoch that it holds durably. A learner logs in order, so this covers all before it.
    pub acked: Zxid,
    /// When it is given up unless something arrives.
    pub alive_until: Millis,
    /// Commits it may only see behind UPTODATE.
    pub held: VecDeque<QuorumPacket>,
    /// When the oldest proposal that it has not acknowledged was sent (`LearnerHandler.SyncLimitCheck`).
    unacked: Option<(Zxid, Millis)>,
    last_sent: (Zxid, Millis),
    /// How it is, or was, synchronized.
    sync: Option<SyncKind>,
    /// Whether it is of the kind that can be taken along into the next epoch on its link.
    can_roll_over: bool,
    /// It follows from the epoch before, and has not got this one's UPTODATE.
    is_rolling_over: bool,
}

impl Learner {
    /// A link that has just been accepted.
    #[must_use]
    pub fn new(alive_until: Millis) -> Learner {
        Learner {
            sid: None,
            observes: false,
            stage: Stage::Connected,
            last_zxid: Zxid::ZERO,
            acked: Zxid::ZERO,
            alive_until,
            held: VecDeque::new(),
            unacked: None,
            last_sent: (Zxid::ZERO, Millis(0)),
            sync: None,
            can_roll_over: false,
            is_rolling_over: false,
        }
    }

    /// Its server id, once it has introduced itself.
    #[must_use]
    pub fn sid(&self) -> Option<ServerId> {
        self.sid
    }

    /// It has introduced itself.
    pub fn introduce(&mut self, sid: ServerId, observes: bool, can_roll_over: bool) {
        self.sid = Some(sid);
        self.observes = observes;
        self.can_roll_over = can_roll_over;
        self.stage = Stage::WaitingEpoch;
    }

    /// Whether it can be taken along into the next epoch on its link.
    #[must_use]
    pub fn can_roll_over(&self) -> bool {
        self.can_roll_over
    }

    /// It is taken along into the next epoch, of which it is to be told.
    pub fn begin_roll_over(&mut self, alive_until: Millis) {
        self.stage = Stage::WaitingEpoch;
        self.is_rolling_over = true;
        self.alive_until = alive_until;
        // What it has not acknowledged is committed, and it will not.
        self.unacked = None;
    }

    /// Whether it is being taken along.
    #[must_use]
    pub fn is_rolling_over(&self) -> bool {
        self.is_rolling_over
    }

    /// It is told UPTODATE.
    pub fn activate(&mut self) {
        self.stage = Stage::Active;
        self.is_rolling_over = false;
    }

    /// What it lacks and NEWLEADER were sent to it.
    pub fn begin_sync(&mut self, kind: SyncKind) {
        self.stage = Stage::Synchronizing;
        self.sync = Some(kind);
    }

    /// How it is being synchronized, until it acknowledges NEWLEADER.
    #[must_use]
    pub fn sync(&self) -> Option<SyncKind> {
        self.sync.filter(|_| self.stage == Stage::Synchronizing)
    }

    /// A proposal was sent to it. One that is sent before the acknowledgement of NEWLEADER waits for the synchronization, which
    /// has its own limit, and is not watched (`SyncLimitCheck.start`).
    pub fn sent(&mut self, now: Millis, zxid: Zxid) {
        if self.stage < Stage::Synced {
            return;
        }
        self.last_sent = (zxid, now);
        self.unacked.get_or_insert((zxid, now));
    }

    /// It holds everything up to `zxid`. As in `SyncLimitCheck` only two proposals are watched: the one whose
    /// acknowledgement is awaited and the last one sent; when the first is acknowledged the second takes its place.
    pub fn acknowledge(&mut self, zxid: Zxid) {
        self.acked = self.acked.max(zxid);
        if let Some((awaited, _)) = self.unacked
            && self.acked >= awaited
        {
            self.unacked = (self.last_sent.0 > self.acked).then_some(self.last_sent);
        }
    }

    /// Whether it holds everything that was sent to it since it acknowledged NEWLEADER.
    #[must_use]
    pub fn has_acknowledged_all(&self) -> bool {
        self.unacked.is_none()
    }

    /// Why it must be given up, if it must: nothing was heard for too long, or a proposal waits too long.
    #[must_use]
    pub fn silence(&self, now: Millis, sync_ms: i64) -> Option<String> {
        let name = self.sid.map_or_else(|| "a learner without a name".to_owned(), |sid| format!("server {sid}"));
        if now >= self.alive_until {
            return Some(format!("{name} is silent for longer than allowed in stage {:?}", self.stage));
        }
        match self.unacked {
            Some((zxid, since)) if self.stage == Stage::Active && now.since(since) > sync_ms => {
                Some(format!("{name} has not acknowledged {zxid} for {} ms", now.since(since)))
            }
            _ => None,
        }
    }
}
