//! Files removed, emptied, and the small ones with the epochs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use damage::fixture::Fixture;
use damage::history::{State, Znode};
use damage::log_bytes::entries;
use damage::recovery::{Found, Mode, recover, zxid_of_name};
use damage::sweep::{Outcome, Sweep, upto};
use store::Origin;
use store::testing::MemFs;
use wire::txn::TxnEntry;
use wire::{Stat, Zxid};

use super::name;

/// Every file, and every two files, removed.
pub fn files_removed(fixture: &Fixture, sweep: &mut Sweep<'_>) {
    let files = fixture.files();
    for (index, first) in files.iter().enumerate() {
        for second in &files[index..] {
            let gone: BTreeSet<PathBuf> = [first.clone(), second.clone()].into();
            let names: Vec<String> = gone.iter().map(|path| name(path)).collect();
            let case = format!("remove {}", names.join(" and "));
            let damage = |fs: &MemFs| gone.iter().for_each(|path| fs.vfs().remove(path).expect("it is there"));
            sweep.judged(&case, &fixture.fs, damage, |outcome, fixture| judge_missing(fixture, &gone, outcome));
        }
    }
}

/// Every file emptied.
pub fn files_emptied(fixture: &Fixture, sweep: &mut Sweep<'_>) {
    for path in fixture.files() {
        let case = format!("empty {}", name(&path));
        let gone = BTreeSet::from([path.clone()]);
        let damage = |fs: &MemFs| fs.write(&path, b"");
        sweep.judged(&case, &fixture.fs, damage, |outcome, fixture| judge_missing(fixture, &gone, outcome));
    }
}

/// All that the other files hold must be found, and the epochs must be what they were. A refusal is always right: something
/// is missing.
fn judge_missing(
    fixture: &Fixture,
    gone: &BTreeSet<PathBuf>,
    outcome: Result<&Found, &str>,
) -> Result<Outcome, String> {
    let Ok(found) = outcome else { return Ok(Outcome::Refused) };
    if found.epochs != epochs(fixture) {
        return Err(format!("the epochs are {:?}, they were {:?}", found.epochs, epochs(fixture)));
    }
    let reach = reach(fixture, gone);
    upto(fixture, reach, found).or_else(|difference| {
        let expected = fixture.history.at(reach).ok_or("it reaches nowhere")?;
        let same_znodes = expected.znodes == found.state.znodes && expected.digest == found.state.digest;
        let is_hidden = |log: &PathBuf| same_znodes || !is_preceded_by_a_digest(fixture, gone, found, log);
        let is_on_the_way = |path: &PathBuf| zxid_of_name(path).is_some_and(|begins| begins <= reach);
        let no_older_helps = fixture.logs().iter().any(|path| gone.contains(path) && is_on_the_way(path));
        let is_explained = ends_of_epochs(fixture, gone).iter().any(is_hidden)
            || no_older_helps && found.ahead.is_some_and(|ahead| is_between(fixture, reach, ahead, &found.state));
        if is_explained { Ok(Outcome::Prefix) } else { Err(difference) }
    })
}

/// Whether each znode is as it was after one of the transactions from `first` to `last`. More cannot be had of a snapshot that
/// was written in their course once the log that tells of them is gone. Children are counted where they are found, and so at
/// other moments than their parent's creates, of which `cversion` shows twice as many less the children.
fn is_between(fixture: &Fixture, first: Zxid, last: Zxid, found: &State) -> bool {
    let childless = |state: &State, path: &str| {
        let znode = state.znodes.get(path)?;
        let cversion = znode.stat.cversion + znode.stat.num_children;
        Some(Znode { stat: Stat { cversion, num_children: 0, ..znode.stat }, ..znode.clone() })
    };
    let states = fixture.history.between(first, last);
    let paths = states.iter().flat_map(|state| state.znodes.keys()).chain(found.znodes.keys());
    let was_so = |path: &str| states.iter().any(|state| childless(state, path) == childless(found, path));
    found.zxid == first && states.len() > 1 && paths.into_iter().all(|path| was_so(path))
}

/// The logs that are gone, end an epoch, and have one of a later epoch behind them. Zxids do not tell that they were there.
///
/// The digest of the next epoch's first transaction does, but not in two cases. Digests are of znodes, so transactions that
/// only opened and closed sessions are not missed. And after a snapshot a digest must have matched once before one that
/// does not means anything: a snapshot that came from a leader may be ahead of its zxid and does not say so.
fn ends_of_epochs(fixture: &Fixture, gone: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let epoch = |path: &PathBuf| zxid_of_name(path).map(Zxid::epoch);
    let logs = fixture.logs();
    let ends = logs.windows(2).filter(|pair| epoch(&pair[0]) < epoch(&pair[1]) && gone.contains(&pair[0]));
    ends.map(|pair| pair[0].clone()).collect()
}

/// Whether a transaction with a digest was replayed between the snapshot and where `log` began.
fn is_preceded_by_a_digest(fixture: &Fixture, gone: &BTreeSet<PathBuf>, found: &Found, log: &Path) -> bool {
    let Origin::Snapshot(snapshot) = found.origin else { return false };
    let begins = zxid_of_name(log).unwrap_or(Zxid::ZERO);
    fixture.logs().into_iter().filter(|path| !gone.contains(path)).any(|path| {
        let bytes = fixture.bytes(&path);
        let between = entries(&bytes).into_iter().filter(|entry| (snapshot.0 + 1..begins.0).contains(&entry.zxid));
        between.into_iter().any(|entry| {
            let body = bytes[entry.body()].to_vec();
            TxnEntry::decode(body.into()).expect("an undamaged transaction").digest.is_some()
        })
    })
}

/// The last transaction that the files that are left hold. What came behind it was in the newest files, all of which are
/// gone: nothing on the disk says that it ever was.
fn reach(fixture: &Fixture, gone: &BTreeSet<PathBuf>) -> Zxid {
    let left = |paths: Vec<PathBuf>| paths.into_iter().filter(|path| !gone.contains(path));
    let last = |path: PathBuf| entries(&fixture.bytes(&path)).last().map(|entry| Zxid(entry.zxid));
    let saved = left(fixture.snapshots()).filter_map(|path| zxid_of_name(&path));
    left(fixture.logs()).filter_map(last).chain(saved).max().unwrap_or(Zxid::ZERO)
}

fn epochs(fixture: &Fixture) -> Option<(i64, i64)> {
    recover(&fixture.fs.fork(), fixture.data_dir(), fixture.mode).expect("the undamaged directory is good").epochs
}

/// Any bit of an epoch file. They have no checksum: another digit is believed where it does no harm.
pub fn epochs_flipped(fixture: &Fixture, sweep: &mut Sweep<'_>) {
    if fixture.mode == Mode::Standalone {
        return;
    }
    let (accepted, current) = epochs(fixture).expect("a member of an ensemble has epochs");
    let (mut higher, mut refused) = (0, 0);
    for file in ["acceptedEpoch", "currentEpoch"] {
        let path: &Path = &fixture.data_dir().join("version-2").join(file);
        for offset in 0..fixture.bytes(path).len() {
            for bit in 0..8 {
                let case = format!("flip bit {bit} of byte {offset} of {file}");
                let damage = |fs: &MemFs| fs.flip(path, offset as u64, 1 << bit);
                sweep.judged(&case, &fixture.fs, damage, |outcome, fixture| match outcome {
                    Err(text) if text.contains(file) => {
                        refused += 1;
                        Ok(Outcome::Refused)
                    }
                    Err(text) => Err(format!("the refusal does not name the file: {text}")),
                    Ok(found) => {
                        let (a, c) = found.epochs.ok_or("the epochs are missing")?;
                        // A server that promises too much only refuses more; one that forgets a promise helps two leaders.
                        if a < accepted || c != current {
                            return Err(format!("the epochs are {a} and {c}, they were {accepted} and {current}"));
                        }
                        higher += u64::from(a > accepted);
                        upto(fixture, fixture.history.last().zxid, found)
                    }
                });
            }
        }
    }
    if std::env::var_os(damage::sweep::CASE_VARIABLE).is_none() {
        assert!(higher > 0 && refused > higher, "{higher} higher promises, {refused} refusals");
    }
}
