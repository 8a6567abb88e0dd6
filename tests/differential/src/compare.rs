//! Two transcripts, and where they part.

use std::fmt::Write as _;

use crate::run::{StepResult, Transcript, run};
use crate::script::Script;
use crate::target::Target;

/// How many steps before the difference are shown.
const CONTEXT: usize = 12;

/// Plays `script` to both targets at once and compares.
///
/// # Errors
/// A text for a person: the script's name, the steps before, the step where the answers part, and both answers.
pub fn check(reference: &Target, tested: &Target, script: &Script) -> Result<Transcript, String> {
    let (left, right) = std::thread::scope(|scope| {
        let left = scope.spawn(|| run(reference, script));
        let right = run(tested, script);
        (left.join().expect("the reference run does not panic"), right)
    });
    if let Some(dir) = std::env::var_os("ZOOKUBE_TEST_TRACE") {
        // Whole transcripts, for a person with `diff`; nothing depends on them.
        let dir = std::path::Path::new(&dir);
        for (side, transcript) in [("reference", &left), ("tested", &right)] {
            let file = format!("{}.{side}.txt", script.name.replace(|c: char| !c.is_alphanumeric(), "-"));
            std::fs::write(dir.join(file), transcript.to_string()).expect("ZOOKUBE_TEST_TRACE is a directory");
        }
    }
    match difference(&left, &right) {
        None => Ok(left),
        Some(at) => Err(report(script, &left, &right, at)),
    }
}

/// As [`check`] for many scripts; all of them run, and all differences are told.
///
/// # Panics
/// When any script's answers differ.
pub fn check_all(reference: &Target, tested: &Target, scripts: &[Script]) {
    let failures: Vec<String> = scripts.iter().filter_map(|s| check(reference, tested, s).err()).collect();
    assert!(
        failures.is_empty(),
        "{} of {} scripts were answered differently\n\n{}",
        failures.len(),
        scripts.len(),
        failures.join("\n\n")
    );
}

/// The first step whose answers differ.
pub fn difference(left: &Transcript, right: &Transcript) -> Option<usize> {
    let longest = left.results.len().max(right.results.len());
    (0..longest).find(|&at| left.results.get(at) != right.results.get(at))
}

fn report(script: &Script, left: &Transcript, right: &Transcript, at: usize) -> String {
    let mut text = format!("DIFFERENCE in script {:?}, step {} of {}\n", script.name, at + 1, script.steps.len());
    for (index, result) in left.results.iter().enumerate().take(at).skip(at.saturating_sub(CONTEXT)) {
        let _ = writeln!(text, "  step {}: {}", index + 1, result.step);
        for line in &result.lines {
            let _ = writeln!(text, "      = {line}");
        }
    }
    let empty = StepResult { step: "-".to_owned(), lines: Vec::new() };
    let (a, b) = (left.results.get(at).unwrap_or(&empty), right.results.get(at).unwrap_or(&empty));
    let _ = writeln!(text, "> step {}: {}", at + 1, a.step);
    let _ = writeln!(text, "  {} (-) against {} (+)", left.target, right.target);
    for index in 0..a.lines.len().max(b.lines.len()) {
        match (a.lines.get(index), b.lines.get(index)) {
            (Some(x), Some(y)) if x == y => {
                let _ = writeln!(text, "      = {x}");
            }
            (x, y) => {
                let mut side = |sign: char, line: Option<&String>| {
                    if let Some(line) = line {
                        let _ = writeln!(text, "      {sign} {line}");
                    }
                };
                side('-', x);
                side('+', y);
            }
        }
    }
    let later = (at + 1..left.results.len()).filter(|&i| left.results.get(i) != right.results.get(i)).count();
    let _ = writeln!(text, "  and {later} later steps differ");
    text
}
