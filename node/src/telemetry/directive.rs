//! What may be written for a level: `info`, or levels by part of the program, `info,zab=debug`.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// The longest directive that is looked at.
const DIRECTIVE_BYTES_MAX: usize = 1024;

/// Why a directive is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectiveError {
    /// Nothing, or nothing but blanks and commas.
    #[error(
        "expected a level such as debug, found nothing. hint: off, error, warn, info, debug, trace, or info,zab=debug"
    )]
    Empty,
    /// Longer than anybody needs.
    #[error("expected a level of at most {DIRECTIVE_BYTES_MAX} bytes, found {0}")]
    TooLong(usize),
    /// A word that is no level. Taken for a part of the program it would silence all others.
    #[error(
        "expected a level, found {0:?}. hint: off, error, warn, info, debug, trace; for one part of the program {0}=debug"
    )]
    NoLevel(String),
    /// What the filter itself says.
    #[error("expected a level such as debug or info,zab=debug, found {text:?}: {reason}")]
    Unreadable {
        /// What was written.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads a directive. Where it names only parts of the program, all others log from the default level on. Answers the filter
/// and the directive in full.
///
/// # Errors
/// When it is none.
pub fn parse(text: &str) -> Result<(EnvFilter, String), DirectiveError> {
    if text.len() > DIRECTIVE_BYTES_MAX {
        return Err(DirectiveError::TooLong(text.len()));
    }
    let mut parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return Err(DirectiveError::Empty);
    }
    let is_level = |part: &str| part.parse::<LevelFilter>().is_ok();
    if let Some(word) = parts.iter().find(|part| !part.contains('=') && !part.contains('[') && !is_level(part)) {
        return Err(DirectiveError::NoLevel((*word).to_owned()));
    }
    if !parts.iter().any(|part| is_level(part)) {
        parts.insert(0, super::LEVEL_DEFAULT);
    }
    let full = parts.join(",");
    let unreadable = |reason: String| DirectiveError::Unreadable { text: text.to_owned(), reason };
    let filter = EnvFilter::builder().parse(&full).map_err(|error| unreadable(error.to_string()))?;
    Ok((filter, full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_and_completed() {
        for (text, full) in [
            ("debug", "debug"),
            (" DEBUG ", "DEBUG"),
            ("off", "off"),
            ("zab=debug", "info,zab=debug"),
            ("warn, zab=debug,", "warn,zab=debug"),
            ("zab::election=trace,node=debug", "info,zab::election=trace,node=debug"),
            ("[client]=debug", "info,[client]=debug"),
        ] {
            assert_eq!(parse(text).map(|(_, full)| full), Ok(full.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_level_is_refused_with_what_was_found() {
        for (text, words) in [
            ("", "found nothing"),
            (" , ", "found nothing"),
            ("debugg", "\"debugg\""),
            ("zab", "zab=debug"),
            ("zab=loud", "\"zab=loud\""),
            (&"x".repeat(2000), "2000"),
        ] {
            let refusal = parse(text).map(|(_, full)| full).unwrap_err().to_string();
            assert!(refusal.contains(words), "{text}: {refusal}");
        }
    }
}
