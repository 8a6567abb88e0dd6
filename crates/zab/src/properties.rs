//! The syntax of a Java `Properties` file: `zoo.cfg`, `zoo.cfg.dynamic`, and the text of a membership on the wire.
//!
//! Only the syntax lives here (`java.util.Properties.load`): comments, the three separators, escapes, continuation lines.
//! What a key means is the caller's business, and so is the same key written twice: every entry is returned, in the order
//! of the file, with the line it starts on, so that a message can point at it.

use std::iter::Peekable;

/// One `key = value` of the text, escapes resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The line on which the key starts, counted from 1.
    pub line: usize,
    /// The key as written, without escapes.
    pub key: String,
    /// The value. As in Java, blanks before it are dropped and blanks behind it are kept.
    pub value: String,
}

/// The only thing that is not a properties file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: `\\u` must be followed by four hexadecimal digits")]
pub struct BadEscape {
    /// The line on which the entry with the escape starts, counted from 1.
    pub line: usize,
}

/// Splits `text` into its entries.
///
/// # Errors
/// A `\u` without four hexadecimal digits, as in Java. Everything else is some entry, if a strange one.
pub fn parse(text: &str) -> Result<Vec<Entry>, BadEscape> {
    let mut entries = Vec::new();
    for logical in logical_lines(text) {
        entries.push(parse_entry(&logical)?);
    }
    Ok(entries)
}

/// A line after continuation lines have been joined to it.
struct LogicalLine {
    number: usize,
    text: String,
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// `Properties.LineReader.readLine`: drops comments and blank lines, joins lines that end in an odd number of backslashes.
fn logical_lines(text: &str) -> Vec<LogicalLine> {
    let mut lines = Vec::new();
    let mut current: Option<LogicalLine> = None;
    for (index, natural) in natural_lines(text).enumerate() {
        let content = natural.trim_start_matches(is_blank);
        if current.is_none() && (content.is_empty() || content.starts_with(['#', '!'])) {
            continue;
        }
        let backslashes = content.chars().rev().take_while(|&c| c == '\\').count();
        let continues = backslashes % 2 == 1;
        let kept = if continues { &content[..content.len() - 1] } else { content };
        let line = current.get_or_insert_with(|| LogicalLine { number: index + 1, text: String::new() });
        line.text.push_str(kept);
        if !continues {
            lines.extend(current.take());
        }
    }
    lines.extend(current);
    lines.retain(|line| !line.text.is_empty());
    lines
}

/// Lines end in `\n`, `\r` or `\r\n`.
fn natural_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let now = rest?;
        let Some(end) = now.find(['\n', '\r']) else {
            rest = None;
            return Some(now);
        };
        let width = if now[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = Some(&now[end + width..]);
        Some(&now[..end])
    })
}

fn parse_entry(line: &LogicalLine) -> Result<Entry, BadEscape> {
    let mut chars = line.text.chars().peekable();
    let key = unescape(&mut chars, line.number, |c| is_blank(c) || c == '=' || c == ':')?;
    while chars.next_if(|&c| is_blank(c)).is_some() {}
    if chars.next_if(|&c| c == '=' || c == ':').is_some() {
        while chars.next_if(|&c| is_blank(c)).is_some() {}
    }
    let value = unescape(&mut chars, line.number, |_| false)?;
    Ok(Entry { line: line.number, key, value })
}

/// Reads up to the first unescaped character for which `stop` holds. Characters are UTF-16 units until the end, because
/// two `\u` escapes may form one character.
fn unescape(
    chars: &mut Peekable<std::str::Chars<'_>>,
    line: usize,
    stop: impl Fn(char) -> bool,
) -> Result<String, BadEscape> {
    let mut units: Vec<u16> = Vec::new();
    let mut push = |c: char| units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
    let mut escaped: Vec<(usize, u16)> = Vec::new();
    let mut count = 0;
    while let Some(c) = chars.next_if(|&c| !stop(c)) {
        let resolved = match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('u')) => {
                escaped.push((count, unicode_escape(chars).ok_or(BadEscape { line })?));
                '\0'
            }
            ('\\', Some('t')) => '\t',
            ('\\', Some('r')) => '\r',
            ('\\', Some('n')) => '\n',
            ('\\', Some('f')) => '\u{c}',
            ('\\', Some(other)) => other,
            ('\\', None) => break,
            (plain, _) => plain,
        };
        push(resolved);
        count += resolved.len_utf16();
    }
    for (position, unit) in escaped {
        units[position] = unit;
    }
    Ok(String::from_utf16_lossy(&units))
}

fn unicode_escape(chars: &mut impl Iterator<Item = char>) -> Option<u16> {
    let mut unit = 0;
    for _ in 0..4 {
        unit = unit << 4 | chars.next()?.to_digit(16)?;
    }
    u16::try_from(unit).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &[(usize, &str, &str)]) {
        let found = parse(text).unwrap();
        let found: Vec<_> = found.iter().map(|e| (e.line, e.key.as_str(), e.value.as_str())).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn separators_blanks_and_comments() {
        check("a=1\nb:2\nc 3\n", &[(1, "a", "1"), (2, "b", "2"), (3, "c", "3")]);
        check("  a \t= \u{c} 1  \r\n\r\n# x\\\n! y\rb", &[(1, "a", "1  "), (5, "b", "")]);
        check("a = = b", &[(1, "a", "= b")]);
        check("a : b:c", &[(1, "a", "b:c")]);
        check("=x", &[(1, "", "x")]);
        check("a=1#not a comment", &[(1, "a", "1#not a comment")]);
        check("", &[]);
    }

    #[test]
    fn escapes() {
        check(r"a\=b\:c\ d=e\\f\tg\qh", &[(1, "a=b:c d", "e\\f\tgqh")]);
        check(r"dir=\u002fdata\ud83d\ude00", &[(1, "dir", "/data\u{1f600}")]);
        check(r"lone=\ud83d.", &[(1, "lone", "\u{fffd}.")]);
        check("smile=\u{1f600}\\u0041", &[(1, "smile", "\u{1f600}A")]);
        assert_eq!(parse("ok=1\nbad=\\u12g4"), Err(BadEscape { line: 2 }));
        assert_eq!(parse(r"bad=\u12"), Err(BadEscape { line: 1 }));
    }

    #[test]
    fn continuation_lines() {
        check("a=1,\\\n   2,\\\r\n\t3\nb=4", &[(1, "a", "1,2,3"), (4, "b", "4")]);
        check("a=1\\\\\nb=2", &[(1, "a", "1\\"), (2, "b", "2")]);
        check("a=1\\\n# part of it\nb=2", &[(1, "a", "1# part of it"), (3, "b", "2")]);
        check("a=1\\\n\nb=2", &[(1, "a", "1"), (3, "b", "2")]);
        check("a=1\\", &[(1, "a", "1")]);
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = parse(&text);
        }

        #[test]
        fn never_panics_on_its_own_alphabet(text in "[a\\\\u0#!=: \t\r\n\u{c}]{0,60}") {
            let _ = parse(&text);
        }
    }
}
