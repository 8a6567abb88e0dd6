//! What goes wrong with a cluster, in one sentence and what the programs said about it.

use std::fmt;
use std::path::Path;

/// Something about the cluster did not work. A test can do nothing with the kind of it; a reader needs the words.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub String);

/// What the functions here return.
pub type Result<T> = std::result::Result<T, Failure>;

/// As text, with its lines: this is what `expect` prints.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names what was tried.
pub trait Context<T> {
    /// Puts `what` in front: "write /x: permission denied".
    ///
    /// # Errors
    /// When there was one before.
    fn context(self, what: impl fmt::Display) -> Result<T>;

    /// As [`Context::context`], for the path that a file operation was about.
    ///
    /// # Errors
    /// When there was one before.
    fn on(self, verb: &str, path: &Path) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|e| Failure(format!("{what}: {e}")))
    }

    fn on(self, verb: &str, path: &Path) -> Result<T> {
        self.map_err(|e| Failure(format!("{verb} {}: {e}", path.display())))
    }
}

/// A failure in the words of `format!`.
#[macro_export]
macro_rules! fail {
    ($($words:tt)*) => {
        Err($crate::failure::Failure(format!($($words)*)))
    };
}
