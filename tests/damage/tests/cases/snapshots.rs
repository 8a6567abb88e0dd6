//! Snapshots, cut and flipped.

use std::path::Path;

use damage::fixture::Fixture;
use damage::sweep::{Outcome, Sweep, upto};
use store::testing::MemFs;

use super::name;

/// Damages that a plain snapshot hides: it may end behind any of its three seals, for the sections between them came with
/// later versions. All other bytes are in a checksum.
const UNNOTICED_PLAIN: u64 = 2;
/// One in so many damages of a packed snapshot may go unnoticed: nobody reads the time and the system in gzip's header and
/// the versions in snappy's, and a repetition may be copied from elsewhere. What is unpacked is the same then.
const UNNOTICED_PACKED_ONE_IN: u64 = 20;

/// The newest snapshot: the next older one and the logs have all that it has.
pub fn snapshot_damaged(fixture: &Fixture, sweep: &mut Sweep<'_>) {
    let snapshots = fixture.snapshots();
    assert!(snapshots.len() > 2, "{} snapshots are too few", snapshots.len());
    let path = snapshots.last().expect("there is a snapshot");
    let mut unnoticed = 0;
    each_damage(fixture, path, |case, damage| {
        sweep.judged(case, &fixture.fs, damage, |outcome, fixture| {
            let found = outcome.map_err(|text| format!("an older snapshot was to be used, got refused: {text}"))?;
            unnoticed += u64::from(found.unusable.is_empty());
            upto(fixture, fixture.history.last().zxid, found)
        });
    });
    check_unnoticed(fixture, path, unnoticed);
}

/// The same where there is no other: what is damaged must be refused.
pub fn only_snapshot_damaged(fixture: &Fixture, sweep: &mut Sweep<'_>) {
    let mut snapshots = fixture.snapshots();
    let path = snapshots.pop().expect("there is a snapshot");
    let base = fixture.fs.fork();
    for older in snapshots {
        base.vfs().remove(&older).expect("it is there");
    }
    let mut unnoticed = 0;
    each_damage(fixture, &path, |case, damage| {
        let case = format!("{case}, the only one");
        sweep.judged(&case, &base, damage, |outcome, fixture| match outcome {
            Err(text) if text.contains(&*path.to_string_lossy()) => Ok(Outcome::Refused),
            Err(text) => Err(format!("the refusal does not name the snapshot: {text}")),
            Ok(found) => {
                unnoticed += 1;
                upto(fixture, fixture.history.last().zxid, found)
            }
        });
    });
    check_unnoticed(fixture, &path, unnoticed);
}

fn check_unnoticed(fixture: &Fixture, path: &Path, unnoticed: u64) {
    let is_packed = name(path).split('.').count() > 2;
    let damages = fixture.bytes(path).len() as u64 * 9;
    let max = if is_packed { damages / UNNOTICED_PACKED_ONE_IN } else { UNNOTICED_PLAIN };
    assert!(unnoticed <= max, "{unnoticed} of {damages} damages of {} were not noticed", path.display());
}

/// Cut at each byte, then each bit flipped.
fn each_damage(fixture: &Fixture, path: &Path, mut run: impl FnMut(&str, &dyn Fn(&MemFs))) {
    let bytes = fixture.bytes(path);
    for cut in 0..bytes.len() {
        run(&format!("cut {} at byte {cut}", name(path)), &|fs: &MemFs| fs.write(path, &bytes[..cut]));
    }
    for offset in 0..bytes.len() {
        for bit in 0..8 {
            let case = format!("flip bit {bit} of byte {offset} of {}", name(path));
            run(&case, &|fs: &MemFs| fs.flip(path, offset as u64, 1 << bit));
        }
    }
}
