//! Transcripts beside each other, and the goldens.

use std::path::{Path, PathBuf};

use crate::script::Script;

/// The directory of this package.
pub fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All scripts of a directory below `scripts/`, by name; only one where `ZOOKUBE_TEST_SCRIPT` names it.
///
/// # Panics
/// When there is none.
pub fn scripts(dir: &str) -> Vec<Script> {
    let dir = here().join("scripts").join(dir);
    let entries = std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry of a directory").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "txt"));
    if let Some(wanted) = std::env::var_os("ZOOKUBE_TEST_SCRIPT") {
        paths.retain(|path| path.file_stem() == Some(&wanted));
        return paths.iter().map(|path| Script::read(path)).collect();
    }
    paths.sort();
    assert!(!paths.is_empty(), "no scripts in {}", dir.display());
    paths.iter().map(|path| Script::read(path)).collect()
}

/// Where the golden of a script is.
pub fn golden_file(version: &str, script: &Script) -> PathBuf {
    here().join("goldens").join(version).join(format!("{}.txt", script.name))
}

/// The golden of a script: what Apache's shell of this version says.
///
/// # Panics
/// When there is none, with the command that records it.
pub fn golden(version: &str, script: &Script) -> String {
    let path = golden_file(version, script);
    std::fs::read_to_string(&path).unwrap_or_else(|e| {
        panic!("{}: {e}; to record it: ZOOKUBE_TEST_RECORD=goldens cargo xtask test cli/apache", path.display())
    })
}

/// Compares what our shell said with the golden, but for the difference that `differs/` has for this script.
pub fn ours(report: &mut Report, what: &str, version: &str, script: &Script, found: &str) {
    let found = plain(found, version);
    let difference = difference(&golden(version, script), &found).unwrap_or_default();
    let path = here().join("differs").join(version).join(format!("{}.txt", script.name));
    // None is the rule.
    let file = std::fs::read_to_string(&path).unwrap_or_default();
    let (reasons, meant): (Vec<&str>, Vec<&str>) = file.split_inclusive('\n').partition(|line| line.starts_with("# "));
    if records("differs") && difference != meant.concat() {
        let text = format!("{}{difference}", reasons.concat());
        std::fs::write(&path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }
    report.compare_differences(what, &meant.concat(), &difference);
}

/// What our shell adds everywhere, taken away: remedies, and before 3.9 the zxid of an event.
fn plain(transcript: &str, version: &str) -> String {
    let mut in_hint = false;
    let mut text = String::new();
    for line in transcript.split_inclusive('\n') {
        // A remedy that shows a command's usage goes on with its options.
        in_hint = line.starts_with("! hint: ") || in_hint && line.starts_with("!  -");
        match line.split_once(" zxid: ") {
            _ if in_hint => {}
            Some((event, _)) if version == "3.8" && line.starts_with("* ") => text.push_str(&format!("{event}\n")),
            _ => text.push_str(line),
        }
    }
    text
}

/// Whether these, `goldens` or `differs`, are to be written before they are compared.
pub fn records(what: &str) -> bool {
    std::env::var_os("ZOOKUBE_TEST_RECORD").is_some_and(|wanted| wanted == what)
}

/// Writes a golden.
///
/// # Panics
/// When that fails.
pub fn record(version: &str, script: &Script, transcript: &str) {
    let path = golden_file(version, script);
    std::fs::write(&path, transcript).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// How many lines around a difference are shown.
const AROUND: usize = 3;

/// What differs, as `diff -u` shows it; `None` where nothing does.
pub fn difference(expected: &str, found: &str) -> Option<String> {
    if expected == found {
        return None;
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), found.lines().collect());
    let lines = edit(&old, &new);
    let is_near = |at: usize| {
        let near = &lines[at.saturating_sub(AROUND)..lines.len().min(at + AROUND + 1)];
        near.iter().any(|(sign, _)| *sign != ' ')
    };
    let mut text = String::new();
    let mut step = "";
    for (at, (sign, line)) in lines.iter().enumerate() {
        if *sign != '+' && (line.starts_with("> ") || line.starts_with("$ ")) {
            step = line;
        }
        if is_near(at) {
            if text.is_empty() || !is_near(at - 1) {
                text.push_str(&format!("@@ {step}\n"));
            }
            text.push_str(&format!("{sign}{line}\n"));
        }
    }
    Some(if text.is_empty() { "only the end of the last line differs".to_owned() } else { text })
}

/// The longest common subsequence, by the table: transcripts have hundreds of lines.
fn edit<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    let width = new.len() + 1;
    let mut length = vec![0_usize; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            length[i * width + j] = if old[i] == new[j] {
                length[(i + 1) * width + j + 1] + 1
            } else {
                length[(i + 1) * width + j].max(length[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push((' ', old[i]));
            (i, j) = (i + 1, j + 1);
        } else if i < old.len() && (j == new.len() || length[(i + 1) * width + j] >= length[i * width + j + 1]) {
            lines.push(('-', old[i]));
            i += 1;
        } else {
            lines.push(('+', new[j]));
            j += 1;
        }
    }
    lines
}

/// Collects the differences of many scripts, so that one run shows them all.
#[derive(Debug, Default)]
pub struct Report {
    text: String,
    compared: usize,
}

impl Report {
    /// Compares one transcript.
    pub fn compare(&mut self, what: &str, expected: &str, found: &str) {
        self.compared += 1;
        if let Some(difference) = difference(expected, found) {
            self.text.push_str(&format!("==== {what}: - is expected, + is found\n{difference}\n"));
        }
    }

    /// Compares a difference with the one that is meant.
    pub fn compare_differences(&mut self, what: &str, meant: &str, found: &str) {
        self.compared += 1;
        if meant != found {
            let title = format!("==== {what}: - Apache's, + ours");
            self.text.push_str(&format!("{title}\n{found}\n"));
            if !meant.is_empty() {
                self.text.push_str(&format!("---- where the only difference meant is\n{meant}\n"));
            }
        }
    }

    /// Ends the test.
    ///
    /// # Panics
    /// With all differences, when there are any, or when nothing was compared.
    pub fn finish(self) {
        assert!(self.compared > 0, "nothing was compared");
        assert!(self.text.is_empty(), "\n{}", self.text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_its_command() {
        assert_eq!(difference("a\n", "a\n"), None);
        let old = "> get /a\n  1\n> get /b\n  2\n  3\n  4\n  5\n";
        let new = "> get /a\n  1\n> get /b\n  2\n  3\n  4\n  6\n";
        assert_eq!(difference(old, new).as_deref(), Some("@@ > get /b\n   2\n   3\n   4\n-  5\n+  6\n"));
        assert_eq!(difference("a\n", "a").as_deref(), Some("only the end of the last line differs"));
    }

    #[test]
    fn remedies_are_no_difference() {
        let said = "> get\n! Unrecognized option: -z\n! hint: usage: get\n!  -b   Output\n> ls\n!  -b\n* e zxid: 1\n";
        let rest = "> get\n! Unrecognized option: -z\n> ls\n!  -b\n* e";
        assert_eq!(plain(said, "3.9"), format!("{rest} zxid: 1\n"));
        assert_eq!(plain(said, "3.8"), format!("{rest}\n"));
    }

    #[test]
    #[should_panic(expected = "-b\n+c\n")]
    fn a_report_fails_with_what_differs() {
        let mut report = Report::default();
        report.compare("x", "a\nb\n", "a\nc\n");
        report.finish();
    }
}
