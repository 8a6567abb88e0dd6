//! The last lines of a server's log, bounded and safe to show on a terminal.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// As much of a log's end as is looked at.
const TAIL_BYTES_MAX: u64 = 64 * 1024;
/// A shown line ends here at the latest.
const LINE_CHARS_MAX: usize = 2000;

/// Up to `lines` last lines of the file.
///
/// # Errors
/// When the file cannot be read.
pub fn tail(path: &Path, lines: usize) -> io::Result<Vec<String>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let skipped = length.saturating_sub(TAIL_BYTES_MAX);
    file.seek(SeekFrom::Start(skipped))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(last_lines(&bytes, lines, skipped > 0))
}

/// The last line of this run of the server that is not empty; `since` is the log's length when the run began.
pub fn last_line(path: &Path, since: u64) -> Option<String> {
    let length = path.metadata().ok()?.len();
    if length <= since {
        return None;
    }
    tail(path, 1).ok()?.pop()
}

fn last_lines(bytes: &[u8], lines: usize, cut: bool) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    // The first line of a cut text is a piece of a line.
    let whole = text.lines().skip(usize::from(cut)).map(plain).filter(|line| !line.is_empty());
    let whole: Vec<_> = whole.collect();
    whole[whole.len().saturating_sub(lines)..].to_vec()
}

/// The line without colours and other control characters, which could garble the screen.
fn plain(line: &str) -> String {
    let mut shown = String::new();
    let mut chars = line.chars().take(LINE_CHARS_MAX);
    while let Some(c) = chars.next() {
        match c {
            // A control sequence: up to its final letter.
            '\u{1b}' => while chars.next().is_some_and(|c| !c.is_ascii_alphabetic()) {},
            '\t' => shown.push(' '),
            c if c.is_control() => {}
            c => shown.push(c),
        }
    }
    shown.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_asked_lines_and_no_controls() {
        let log = b"one\ntwo\x1b[31m red\x1b[0m\r\n\nth\tree\x07\n";
        assert_eq!(last_lines(log, 2, false), ["two red", "th ree"]);
        assert_eq!(last_lines(log, 9, true), ["two red", "th ree"]);
        assert!(last_lines(b"", 5, false).is_empty());
        assert_eq!(last_lines(b"\xff\xfe", 1, false), ["\u{fffd}\u{fffd}"]);
    }

    #[test]
    fn a_long_log_is_read_from_its_end() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let text: String = (0..20_000).map(|n| format!("line {n}\n")).collect();
        std::fs::write(file.path(), text).expect("written");
        assert_eq!(tail(file.path(), 2).expect("read"), ["line 19998", "line 19999"]);
        assert_eq!(last_line(file.path(), 0).as_deref(), Some("line 19999"));
        assert_eq!(last_line(file.path(), u64::MAX), None);
    }
}
