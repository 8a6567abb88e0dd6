//! The checks: each takes what was recorded and says everything that is wrong with it.
//!
//! They look at the same run from different sides. [`linear`] sees only what clients saw; [`zxids`] compares that with the
//! servers' logs, transaction by transaction; [`survival`] compares it with what the servers hold in the end. Each is
//! tried on histories that are wrong in the ways it is there to find, and none accepts an empty one.

pub mod codes;
pub mod linear;
pub mod survival;
pub mod zxids;

#[cfg(test)]
pub(crate) mod example;

/// More findings than this say no more.
const FINDINGS_MAX: usize = 20;

/// What a check found wrong, as one text; empty where there is nothing.
pub fn report(check: &str, findings: &[String]) -> String {
    let mut text = String::new();
    for finding in findings.iter().take(FINDINGS_MAX) {
        text.push_str(&format!("{check}: {finding}\n"));
    }
    if findings.len() > FINDINGS_MAX {
        text.push_str(&format!("{check}: and {} more\n", findings.len() - FINDINGS_MAX));
    }
    text
}
