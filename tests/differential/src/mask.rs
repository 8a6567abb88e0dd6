//! What must differ between two runs, replaced by symbols: session ids, times, the epoch an ensemble happens to be in.
//!
//! A masked value is still checked: a session id shows the number of the session it belongs to, a time must be the time
//! of the transaction whose zxid stands beside it, and zxids keep their distance from the first one seen.

use std::collections::HashMap;

use support::jute::Stat;

/// The symbols of one run.
#[derive(Debug, Default)]
pub struct Mask {
    base: i64,
    hide_zxids: bool,
    sessions: HashMap<i64, usize>,
    times: HashMap<i64, i64>,
    ports: Vec<(String, String)>,
}

impl Mask {
    /// Symbols relative to `base`, a zxid both servers had at the same point.
    pub fn new(base: i64) -> Self {
        Self { base, ..Self::default() }
    }

    /// Shows no zxid from now on.
    pub fn hide_zxids(&mut self) {
        self.hide_zxids = true;
    }

    /// Replaces `text` by `symbol` wherever it appears in data, for texts that hold this run's ports.
    pub fn hide(&mut self, text: String, symbol: String) {
        self.ports.push((text, symbol));
    }

    /// Notes a session; sessions are numbered in the order of their first appearance.
    pub fn learn_session(&mut self, id: i64) {
        let next = self.sessions.len();
        self.sessions.entry(id).or_insert(next);
    }

    /// A zxid relative to the base: `+5`; in a later epoch `e1+5`. Zero and negative values mean themselves.
    pub fn zxid(&self, zxid: i64) -> String {
        if zxid <= 0 {
            return zxid.to_string();
        }
        if self.hide_zxids {
            return "some".to_owned();
        }
        let (epoch, counter) = (zxid >> 32, zxid & 0xFFFF_FFFF);
        let (base_epoch, base_counter) = (self.base >> 32, self.base & 0xFFFF_FFFF);
        if epoch == base_epoch {
            format!("{:+}", counter - base_counter)
        } else {
            format!("e{}+{counter}", epoch - base_epoch)
        }
    }

    /// A session by its number.
    pub fn session(&self, id: i64) -> String {
        match self.sessions.get(&id) {
            _ if id == 0 => "none".to_owned(),
            Some(number) => format!("S{number}"),
            None => format!("unknown session {id:#x}"),
        }
    }

    fn time(&mut self, zxid: i64, time: i64) -> String {
        if time == 0 {
            return "0".to_owned();
        }
        if zxid & 0xFFFF_FFFF == 0 {
            // No transaction wrote this: each server of an ensemble puts the configuration into its tree by itself.
            return "T".to_owned();
        }
        let known = *self.times.entry(zxid).or_insert(time);
        if known == time { "T".to_owned() } else { format!("T{:+}", time - known) }
    }

    /// All eleven fields.
    pub fn stat(&mut self, s: &Stat) -> String {
        format!(
            "czxid={} mzxid={} ctime={} mtime={} version={} cversion={} aversion={} owner={} length={} children={} pzxid={}",
            self.zxid(s.czxid),
            self.zxid(s.mzxid),
            self.time(s.czxid, s.ctime),
            self.time(s.mzxid, s.mtime),
            s.version,
            s.cversion,
            s.aversion,
            self.session(s.ephemeral_owner),
            s.data_length,
            s.num_children,
            self.zxid(s.pzxid),
        )
    }

    /// Data: text if it is text, else hexadecimal; null is told from empty.
    pub fn data(&self, data: Option<&[u8]>) -> String {
        let Some(bytes) = data else { return "null".to_owned() };
        match std::str::from_utf8(bytes) {
            Ok(text) if bytes.len() <= 2000 => {
                let hidden = self.ports.iter().fold(text.to_owned(), |t, (from, to)| t.replace(from, to));
                format!("{hidden:?}")
            }
            _ => format!("{} bytes summing to {}", bytes.len(), bytes.iter().map(|b| u64::from(*b)).sum::<u64>()),
        }
    }
}
