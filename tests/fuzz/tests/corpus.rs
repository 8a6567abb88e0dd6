//! Every target over its corpus, over any bytes, and over mutations of the corpus: what `cargo fuzz` does with coverage, in
//! small and without a nightly compiler. `FUZZ_CASES` sets the number of mutations per target, `FUZZ_TARGET` names the only one.

use fuzz_targets::{TARGETS, Target, seeds};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Mutations tried per target.
const CASES_DEFAULT: u32 = 1000;
/// The corpus stays small enough to be read by everybody who clones it.
const FILES_MAX: usize = 200;
const BYTES_MAX: usize = 300 * 1024;
/// What a length field is overwritten with.
const LENGTHS: [i32; 8] = [-1, -2, 0, 1, 0xffff, i32::MAX, i32::MIN, 0x0100_0000];

fn corpus_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// The files of a target by name.
fn corpus(target: &str) -> BTreeMap<String, Vec<u8>> {
    let dir = corpus_dir().join(target);
    let files = fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut corpus = BTreeMap::new();
    for file in files {
        let file = file.expect("a directory can be read to its end");
        let name = file.file_name().into_string().expect("names are ASCII");
        corpus.insert(name, fs::read(file.path()).expect("a file of the corpus"));
    }
    corpus
}

#[derive(Debug, Clone)]
enum Mutation {
    Flip { at: usize, bit: u8 },
    Insert { at: usize, bytes: Vec<u8> },
    Delete { at: usize, count: usize },
    Truncate { at: usize },
    Length { at: usize, length: i32 },
    Repeat { at: usize, count: usize },
}

impl Mutation {
    fn any() -> impl Strategy<Value = Mutation> {
        let at = any::<usize>;
        prop_oneof![
            4 => (at(), 0..8_u8).prop_map(|(at, bit)| Mutation::Flip { at, bit }),
            1 => (at(), prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Mutation::Insert { at, bytes }),
            1 => (at(), 1..9_usize).prop_map(|(at, count)| Mutation::Delete { at, count }),
            1 => at().prop_map(|at| Mutation::Truncate { at }),
            2 => (at(), prop::sample::select(LENGTHS.to_vec())).prop_map(|(at, length)| Mutation::Length { at, length }),
            1 => (at(), 1..64_usize).prop_map(|(at, count)| Mutation::Repeat { at, count }),
        ]
    }

    fn apply(&self, data: &mut Vec<u8>) {
        let place = |at: usize| at % (data.len() + 1);
        match self {
            Mutation::Flip { at, bit } => {
                let at = place(*at);
                if let Some(byte) = data.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
            Mutation::Insert { at, bytes } => {
                let at = place(*at);
                data.splice(at..at, bytes.iter().copied());
            }
            Mutation::Delete { at, count } => {
                let at = place(*at);
                data.drain(at..data.len().min(at + count));
            }
            Mutation::Truncate { at } => {
                let at = place(*at);
                data.truncate(at);
            }
            Mutation::Length { at, length } => {
                let at = place(*at);
                if let Some(field) = data.get_mut(at..at + 4) {
                    field.copy_from_slice(&length.to_be_bytes());
                }
            }
            Mutation::Repeat { at, count } => {
                let at = place(*at);
                let repeated = data[at..data.len().min(at + count)].to_vec();
                data.splice(at..at, repeated);
            }
        }
    }
}

fn check(name: &str, target: Target, strategy: &impl Strategy<Value = Vec<u8>>, cases: u32) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(strategy, |data| {
        target(&data);
        Ok::<(), TestCaseError>(())
    });
    match outcome {
        Ok(()) => {}
        // One line, to be turned into a file of the corpus.
        Err(TestError::Fail(reason, data)) => panic!("{name}: {reason}; input, escaped: {}", data.escape_ascii()),
        Err(TestError::Abort(reason)) => panic!("{name}: {reason}"),
    }
}

fn cases() -> u32 {
    std::env::var("FUZZ_CASES").map_or(CASES_DEFAULT, |cases| cases.parse().expect("FUZZ_CASES is a number"))
}

/// The targets to be tried with made inputs.
fn chosen() -> impl Iterator<Item = &'static (&'static str, Target)> {
    let only = std::env::var("FUZZ_TARGET").ok();
    let known = only.as_deref().is_none_or(|only| TARGETS.iter().any(|(name, _)| *name == only));
    assert!(known, "FUZZ_TARGET is {only:?}, which is no target");
    TARGETS.iter().filter(move |(name, _)| only.as_deref().is_none_or(|only| only == *name))
}

#[test]
fn every_file_of_the_corpus() {
    let mut failed = Vec::new();
    for (name, target) in TARGETS {
        let files = corpus(name);
        assert!(files.len() >= 3, "{name} has {} files", files.len());
        for (file, data) in files {
            let outcome = std::panic::catch_unwind(|| target(&data));
            if outcome.is_err() {
                failed.push(format!("corpus/{name}/{file}"));
            }
        }
    }
    assert_eq!(failed, Vec::<String>::new(), "inputs that are not survived; the panics stand above");
}

#[test]
fn the_corpus_is_the_generated_one_and_small() {
    let (mut files, mut bytes) = (0, 0);
    for (name, _) in TARGETS {
        let found = corpus(name);
        files += found.len();
        bytes += found.values().map(Vec::len).sum::<usize>();
    }
    assert!(files <= FILES_MAX, "{files} files");
    assert!(bytes <= BYTES_MAX, "{bytes} bytes");
    let mut names = BTreeSet::new();
    for seed in seeds::all() {
        assert!(names.insert((seed.target, seed.name.clone())), "{} {} comes twice", seed.target, seed.name);
        let stored = corpus(seed.target).remove(&seed.name);
        assert_eq!(stored.as_ref(), Some(&seed.bytes), "{}/{}: run make_corpus", seed.target, seed.name);
    }
}

#[test]
fn any_bytes() {
    for (name, target) in chosen() {
        check(name, *target, &prop::collection::vec(any::<u8>(), 0..200), cases() / 4);
    }
}

#[test]
fn mutations_of_the_corpus() {
    for (name, target) in chosen() {
        let seeds: Vec<Vec<u8>> = corpus(name).into_values().filter(|data| data.len() < 8192).collect();
        let mutated = (prop::sample::select(seeds), prop::collection::vec(Mutation::any(), 1..5)).prop_map(
            |(mut data, mutations)| {
                mutations.iter().for_each(|mutation| mutation.apply(&mut data));
                data
            },
        );
        check(name, *target, &mutated, cases());
    }
}
