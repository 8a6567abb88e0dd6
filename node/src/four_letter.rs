//! The four-letter words: a first frame that is none. The server answers in text and closes.
//!
//! [`word`] says which words there are and which are allowed, `figures` reads what the process shares, [`text`] has the
//! exact bytes of each answer. A word changes nothing but counters.

pub(crate) mod figures;
pub mod text;
pub mod word;

pub use figures::version;
pub(crate) use figures::{metrics, values};

use crate::shared::Shared;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use text::NOT_SERVING;
use word::{Whitelist, Word, WordBytes};

/// The trace mask of `gtmk` and `stmk`. Nothing reads it: it is what Apache starts with (`ZooTrace.traceMask`).
static TRACE_MASK: AtomicI64 = AtomicI64::new(0b1_0011_0010);

/// Whether the first bytes of a connection are a word rather than the length of a frame.
#[must_use]
pub fn is_word(bytes: WordBytes) -> bool {
    Word::from_bytes(bytes).is_some()
}

/// Bytes that must follow the word before it can be answered. A word that is not allowed is refused at once.
#[must_use]
pub fn argument_bytes(bytes: WordBytes, shared: &Shared) -> usize {
    Word::from_bytes(bytes).filter(|word| allows(shared, *word)).map_or(0, Word::argument_bytes)
}

/// The answer, after which the connection is closed; empty for what is no word.
#[must_use]
pub fn answer(bytes: WordBytes, argument: &[u8], shared: &Shared) -> String {
    let Some(word) = Word::from_bytes(bytes) else { return String::new() };
    if !allows(shared, word) {
        return format!("{} is not executed because it is not in the whitelist.\n", word.name());
    }
    match word {
        Word::Ruok => "imok".to_owned(),
        Word::Envi => text::envi(&figures::environment()),
        Word::Gtmk => trace_mask().to_string(),
        Word::Stmk => set_trace_mask(argument),
        Word::TelnetClose => String::new(),
        // Whoever looks for a server that takes writes must not be sent to a leader that takes no clients.
        Word::Isro => is_read_only(shared).to_owned(),
        // Apache says nothing of a leader that takes no clients, so that nobody can tell it from one that is stuck.
        word if shared.serving.load(Relaxed) || shared.leads_without_clients() => answer_while_serving(word, shared),
        // Apache prints this one without a newline (`DigestCommand`).
        Word::Hash => NOT_SERVING.to_owned(),
        _ => format!("{NOT_SERVING}\n"),
    }
}

fn allows(shared: &Shared, word: Word) -> bool {
    let settings = &shared.config.settings;
    // Clients that read from a read-only server ask the others with `isro` whether they take writes.
    (word == Word::Isro && settings.read_only_mode_enabled)
        || Whitelist::parse(&settings.four_letter_words).allows(word)
}

/// `isro`. The core's status follows behind the switch that lets clients in: what it does not know yet is not guessed.
fn is_read_only(shared: &Shared) -> &'static str {
    match shared.status().mode {
        _ if !shared.serving.load(Relaxed) => "null",
        "looking" => "null",
        "read-only" => "ro",
        _ => "rw",
    }
}

fn set_trace_mask(argument: &[u8]) -> String {
    let Ok(mask) = argument.try_into().map(i64::from_be_bytes) else { return String::new() };
    put_trace_mask(mask);
    mask.to_string()
}

/// `ZooTrace.getTextTraceLevel`.
pub(crate) fn trace_mask() -> i64 {
    TRACE_MASK.load(Relaxed)
}

/// `ZooTrace.setTextTraceLevel`.
pub(crate) fn put_trace_mask(mask: i64) {
    TRACE_MASK.store(mask, Relaxed);
}

fn answer_while_serving(word: Word, shared: &Shared) -> String {
    let version = figures::version();
    match word {
        Word::Srvr => text::srvr(&figures::server(shared, &version)),
        Word::Stat => text::stat(&figures::server(shared, &version), &figures::connections(shared)),
        Word::Cons => text::cons(&figures::connections(shared)),
        Word::Conf => figures::conf(shared),
        Word::Dirs => {
            let (data, log) = figures::dir_sizes(shared);
            text::dirs(data, log)
        }
        Word::Dump => text::dump(&figures::dump(shared)),
        Word::Wchs => {
            let summary = shared.tree.read().watch_summary();
            text::wchs(summary.connections, summary.paths, summary.watches)
        }
        Word::Wchc => text::wchc(&figures::watches_by_session(shared)),
        Word::Wchp => text::wchp(&figures::watches_by_path(shared)),
        Word::Mntr => text::mntr(&figures::metrics(shared)),
        Word::Hash => {
            let log = shared.tree.read().digest_log();
            text::hash(&log.iter().map(|entry| (entry.zxid, entry.digest)).collect::<Vec<_>>())
        }
        Word::Crst => {
            for conn in shared.registry.list() {
                conn.stats.reset();
            }
            "Connection stats reset.\n".to_owned()
        }
        Word::Srst => {
            shared.stats.reset();
            "Server stats reset.\n".to_owned()
        }
        Word::Ruok | Word::Envi | Word::Gtmk | Word::Stmk | Word::TelnetClose | Word::Isro => String::new(),
    }
}

#[cfg(test)]
#[path = "four_letter_test.rs"]
mod tests;
