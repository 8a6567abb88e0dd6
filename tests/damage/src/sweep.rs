//! Running cases: damage a copy, recover, compare.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use store::testing::MemFs;
use wire::Zxid;

use crate::fixture::{DIR_VARIABLE, Fixture};
use crate::recovery::{Found, recover};

/// Runs only the case of this name.
pub const CASE_VARIABLE: &str = "ZOOKUBE_DAMAGE_CASE";

/// What recovery must make of a damage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Everything, with nothing to say about it.
    Whole,
    /// Everything, by way of another snapshot than this one.
    WithoutSnapshot(PathBuf),
    /// Everything up to this transaction.
    Upto(Zxid),
    /// A refusal that names the file.
    RefusedNaming(PathBuf),
}

/// What recovery made of a damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Everything.
    Whole,
    /// Everything up to some transaction.
    Prefix,
    /// A refusal.
    Refused,
}

/// The cases of one fixture.
#[derive(Debug)]
pub struct Sweep<'a> {
    fixture: &'a Fixture,
    only: Option<String>,
    outcomes: BTreeMap<Outcome, u64>,
}

impl<'a> Sweep<'a> {
    /// No case yet.
    #[must_use]
    pub fn new(fixture: &'a Fixture) -> Sweep<'a> {
        Sweep { fixture, only: std::env::var(CASE_VARIABLE).ok(), outcomes: BTreeMap::new() }
    }

    /// One case: `damage` changes a copy of `base`, and recovery must make of it what is `expected`.
    ///
    /// # Panics
    /// When it makes something else of it; the message says how to run this case alone.
    pub fn case(&mut self, name: &str, base: &MemFs, expected: &Expected, damage: impl FnOnce(&MemFs)) {
        self.judged(name, base, damage, |outcome, fixture| match (expected, outcome) {
            (Expected::Whole, Ok(found)) if found.unusable.is_empty() => whole(fixture, found),
            (Expected::WithoutSnapshot(path), Ok(found)) if found.unusable.contains(path) => whole(fixture, found),
            (Expected::Upto(zxid), Ok(found)) => upto(fixture, *zxid, found),
            (Expected::RefusedNaming(path), Err(text)) if text.contains(&*path.to_string_lossy()) => {
                Ok(Outcome::Refused)
            }
            (_, Ok(found)) => {
                Err(format!("expected {expected:?}, got up to {}, {:?}", found.state.zxid, found.unusable))
            }
            (_, Err(text)) => Err(format!("expected {expected:?}, got refused: {text}")),
        });
    }

    /// One case whose outcome `judge` decides about: it is given what was found or the text of the refusal.
    ///
    /// # Panics
    /// When `judge` finds fault; the message says how to run this case alone.
    pub fn judged(
        &mut self,
        name: &str,
        base: &MemFs,
        damage: impl FnOnce(&MemFs),
        judge: impl FnOnce(Result<&Found, &str>, &Fixture) -> Result<Outcome, String>,
    ) {
        if self.only.as_ref().is_some_and(|only| only != name) {
            return;
        }
        let told = Told { fixture: self.fixture, name };
        let fs = base.fork();
        damage(&fs);
        let found = recover(&fs, self.fixture.data_dir(), self.fixture.mode);
        let outcome = match &found {
            Ok(found) => judge(Ok(found), self.fixture).and_then(|outcome| self.again(&fs, found).map(|()| outcome)),
            Err(error) => {
                let text = error.to_string();
                let judged = judge(Err(&text), self.fixture);
                judged.and_then(
                    |outcome| if is_helpful(&text) { Ok(outcome) } else { Err(format!("no way out: {text}")) },
                )
            }
        };
        match outcome {
            Ok(outcome) => *self.outcomes.entry(outcome).or_default() += 1,
            Err(reason) => panic!("{}: {name}: {reason}", self.fixture.name),
        }
        drop(told);
    }

    /// A second start finds the same and has nothing to mend.
    fn again(&self, fs: &MemFs, first: &Found) -> Result<(), String> {
        if !first.cut {
            return Ok(());
        }
        let second = recover(fs, self.fixture.data_dir(), self.fixture.mode);
        let second = second.map_err(|error| format!("the second start is refused: {error}"))?;
        if second.cut {
            return Err("the second start has something to cut".to_owned());
        }
        first.state.difference(&second.state).map_or(Ok(()), |what| Err(format!("at the second start {what}")))
    }

    /// How often there was each outcome.
    ///
    /// # Panics
    /// When one of `kinds` never occurred: a sweep that never refuses, or always, proves nothing.
    #[must_use]
    pub fn finish(self, kinds: &[Outcome]) -> BTreeMap<Outcome, u64> {
        match &self.only {
            Some(only) => assert!(!self.outcomes.is_empty(), "{}: there is no case `{only}`", self.fixture.name),
            None => {
                for kind in kinds {
                    assert!(self.outcomes.contains_key(kind), "{}: {kind:?} never occurred", self.fixture.name);
                }
            }
        }
        self.outcomes
    }
}

fn whole(fixture: &Fixture, found: &Found) -> Result<Outcome, String> {
    upto(fixture, fixture.history.last().zxid, found).map(|_| Outcome::Whole)
}

/// Checks that exactly the transactions up to `zxid` were found.
///
/// # Errors
/// With what differs.
pub fn upto(fixture: &Fixture, zxid: Zxid, found: &Found) -> Result<Outcome, String> {
    let expected = fixture.history.at(zxid).ok_or_else(|| format!("there is no transaction {zxid}"))?;
    match expected.difference(&found.state) {
        Some(what) => Err(format!("after recovery {what}")),
        None if zxid == fixture.history.last().zxid => Ok(Outcome::Whole),
        None => Ok(Outcome::Prefix),
    }
}

/// Whether a refusal says what to do.
fn is_helpful(text: &str) -> bool {
    text.contains("hint: ") && text.contains("version-2")
}

/// Says how to run a case again if it panics, also from within recovery.
struct Told<'a> {
    fixture: &'a Fixture,
    name: &'a str,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        match self.fixture.keep() {
            Ok(dir) => eprintln!(
                "to run this case alone: {DIR_VARIABLE}={} {CASE_VARIABLE}='{}' cargo test -p zookube-damage --test sweep {}",
                show(&dir),
                self.name,
                self.fixture.name
            ),
            Err(error) => eprintln!("the directory of {} could not be kept: {error}", self.fixture.name),
        }
    }
}

fn show(path: &Path) -> String {
    path.display().to_string()
}
