//! Errors in full.

use std::error::Error;

/// An error with what caused it, one behind the other: of many the first words alone say little.
pub(crate) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
