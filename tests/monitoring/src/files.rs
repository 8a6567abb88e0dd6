//! Where the files under test are.

use std::path::{Path, PathBuf};

use support::prerequisites;

/// What is published for operators.
pub fn deploy() -> PathBuf {
    prerequisites::workspace().join("deploy/monitoring")
}

/// The rule files: recording rules first.
pub fn rules() -> [PathBuf; 2] {
    ["recording", "alerts"].map(|name| deploy().join(format!("rules/{name}.yaml")))
}

/// All files in `dir` that end in `.extension`, in order.
///
/// # Panics
/// When there is none: a test of nothing would be content.
pub fn in_directory(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    let mut found: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    found.sort();
    assert!(!found.is_empty(), "{} has no .{extension}", dir.display());
    found
}

/// The text of a file.
///
/// # Panics
/// When it cannot be read.
pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
