//! What a server says of itself (`GET /v1/status`).

use plan::{Config, ConfigVersion, Epoch, Role, ServerId, State, Status, Uid, Zxid};
use serde::Deserialize;
use std::collections::BTreeMap;

/// How far behind a server counts as that follows in another epoch than the leader's: nobody can count that.
const LAG_UNKNOWN_TXNS: u64 = u64::MAX;

/// An answer that makes sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What the planner looks at; its lag is not known yet.
    pub status: Status,
    /// Changes with everything but the last transaction: what to wait for a change of.
    pub generation: u64,
    /// Whether it does what it is there for, and if not, why.
    pub not_ready: Option<String>,
    /// What it runs.
    pub version: String,
    /// Whether its disk is full.
    pub is_disk_full: bool,
}

/// As it is written. Fields that are not known are of a later server.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    generation: u64,
    sid: i64,
    state: Doing,
    has_data: bool,
    ensemble: Option<String>,
    #[serde(default)]
    incarnation: u64,
    retired_at: Option<Hex>,
    leader: Option<i64>,
    epoch: Option<i64>,
    synced: bool,
    ready: bool,
    reason: Option<String>,
    last_zxid: Hex,
    config_version: Hex,
    config: BTreeMap<String, Member>,
    pending: Option<Hex>,
    version: String,
    #[serde(default)]
    disk_full: bool,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Doing {
    Loading,
    Joining,
    Looking,
    Following,
    Leading,
    Observing,
    Retired,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Member {
    Voter,
    Observer,
}

/// `0x…`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Hex(i64);

impl TryFrom<String> for Hex {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.strip_prefix("0x").ok_or_else(|| format!("{text:?}: expected 0x and digits"))?;
        let number = u64::from_str_radix(digits, 16).map_err(|error| format!("{text:?}: {error}"))?;
        Ok(Self(number.cast_signed()))
    }
}

impl Answer {
    /// Reads what a server has sent.
    ///
    /// # Errors
    /// What is wrong with it. Such a server counts as silent.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let written: Written = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let config = written.config.iter().map(|(sid, member)| {
            let number = sid.parse().map_err(|_| format!("config: {sid:?} is no server id"))?;
            let role = match member {
                Member::Voter => Role::Voter,
                Member::Observer => Role::Observer,
            };
            Ok((server("config", number)?, role))
        });
        let status = Status {
            sid: server("sid", written.sid)?,
            state: match written.state {
                Doing::Loading => State::Loading,
                Doing::Joining => State::Joining,
                Doing::Looking => State::Looking,
                Doing::Following => State::Following,
                Doing::Leading => State::Leading,
                Doing::Observing => State::Observing,
                Doing::Retired => State::Retired,
            },
            has_data: written.has_data,
            ensemble: written.ensemble.map(Uid),
            incarnation: written.incarnation,
            retired_at: written.retired_at.map(|version| ConfigVersion(version.0)),
            leader: written.leader.map(|sid| server("leader", sid)).transpose()?,
            epoch: written.epoch.map(Epoch),
            synced: written.synced,
            last_zxid: Zxid(written.last_zxid.0),
            lag_txns: 0,
            config_version: ConfigVersion(written.config_version.0),
            config: config.collect::<Result<Config, String>>()?,
            pending: written.pending.map(|version| ConfigVersion(version.0)),
        };
        Ok(Self {
            status,
            generation: written.generation,
            not_ready: (!written.ready).then(|| written.reason.unwrap_or_else(|| "it does not say why".to_owned())),
            version: written.version,
            is_disk_full: written.disk_full,
        })
    }
}

fn server(field: &str, number: i64) -> Result<ServerId, String> {
    let sid = u8::try_from(number).ok().and_then(ServerId::new);
    sid.ok_or_else(|| format!("{field}: {number} is no server id, expected 1 to {}", ServerId::MAX))
}

/// How many transactions the leader has that the server has not. Each epoch counts from 0, so that what a server lacks of an earlier
/// epoch nobody can tell; one that is in sync lacks none of it.
#[must_use]
pub fn lag_txns(leader: &Status, server: &Status) -> u64 {
    let parts = |zxid: Zxid| (zxid.0 >> 32, zxid.0 & 0xffff_ffff);
    let ((leader_epoch, leader_counter), (epoch, counter)) = (parts(leader.last_zxid), parts(server.last_zxid));
    let lag = match () {
        () if leader_epoch == epoch => leader_counter - counter,
        () if leader_epoch > epoch && server.synced => leader_counter,
        // It was asked later than the leader.
        () if leader_epoch < epoch => 0,
        () => return LAG_UNKNOWN_TXNS,
    };
    u64::try_from(lag).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"generation":17,"sid":1,"state":"following","hasData":true,"ensemble":"u","incarnation":0,
        "retiredAt":null,"leader":2,"epoch":3,"synced":true,"serving":true,"ready":true,"reason":null,
        "lastZxid":"0x300000007","configVersion":"0x100000002","config":{"1":"voter","101":"observer"},"pending":null,
        "version":"0.1.0","dataBytes":1,"diskUsedPercent":3,"diskFull":false}"#;

    #[test]
    fn an_answer_is_read() {
        let answer = Answer::parse(TEXT.as_bytes()).unwrap();
        let status = &answer.status;
        assert_eq!((status.sid.get(), status.state, status.leader), (1, State::Following, ServerId::new(2)));
        assert_eq!((status.last_zxid, status.config_version), (Zxid(0x3_0000_0007), ConfigVersion(0x1_0000_0002)));
        assert_eq!(status.config.values().copied().collect::<Vec<_>>(), [Role::Voter, Role::Observer]);
        assert_eq!((answer.generation, answer.not_ready), (17, None));
    }

    #[test]
    fn what_is_none_is_refused() {
        for (from, to, said) in [
            ("\"sid\":1", "\"sid\":0", "sid: 0 is no server id"),
            ("\"sid\":1", "\"sid\":300", "sid: 300 is no server id"),
            ("following", "dancing", "unknown variant `dancing`"),
            ("\"0x300000007\"", "\"300000007\"", "expected 0x and digits"),
            ("\"0x300000007\"", "\"0xg\"", "invalid digit"),
            ("\"101\":\"observer\"", "\"one\":\"observer\"", "\"one\" is no server id"),
            ("\"hasData\":true,", "", "missing field `hasData`"),
        ] {
            let refusal = Answer::parse(TEXT.replace(from, to).as_bytes()).unwrap_err();
            assert!(refusal.contains(said), "{refusal}");
        }
        assert!(Answer::parse(b"").is_err());
    }

    #[test]
    fn lag_is_counted_within_an_epoch() {
        let at = |zxid: i64, synced| Status {
            last_zxid: Zxid(zxid),
            synced,
            ..Answer::parse(TEXT.as_bytes()).unwrap().status
        };
        let leader = at(0x3_0000_0010, true);
        assert_eq!(lag_txns(&leader, &at(0x3_0000_0010, true)), 0);
        assert_eq!(lag_txns(&leader, &at(0x3_0000_0001, true)), 15);
        assert_eq!(lag_txns(&leader, &at(0x3_0000_0011, true)), 0, "asked a moment later");
        assert_eq!(lag_txns(&leader, &at(0x2_0000_0044, true)), 16, "all of the epoch, nothing before it");
        assert_eq!(lag_txns(&leader, &at(0x2_0000_0044, false)), u64::MAX);
        assert_eq!(lag_txns(&leader, &at(0x4_0000_0000, true)), 0);
    }
}
