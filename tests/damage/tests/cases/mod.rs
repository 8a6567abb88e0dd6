//! The kinds of damage, and what recovery must make of each.

mod files;
mod logs;
mod snapshots;

pub use files::{epochs_flipped, files_emptied, files_removed};
pub use logs::{newest_log_cut, newest_log_flipped, older_log_flipped, unread_log_flipped};
pub use snapshots::{only_snapshot_damaged, snapshot_damaged};

use std::path::Path;

use damage::fixture::Fixture;
use damage::sweep::{Expected, Sweep};

/// Without damage everything is there, and nothing is cut.
pub fn undamaged(fixture: &Fixture, sweep: &mut Sweep<'_>) {
    sweep.case("undamaged", &fixture.fs, &Expected::Whole, |_| {});
}

/// The last part of a path.
fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
