//! A line of the shell in words (`ZooKeeperMain.MyCommandOptions.parseCommand`).

/// Splits a line: blanks separate words, and a word that begins with a quote goes on to the next quote of that kind, blanks included.
/// A quote within a word, or one that nothing closes, stands for itself as it does there.
#[must_use]
pub fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start_matches(is_blank);
        let Some(first) = rest.chars().next() else { return words };
        rest = if first == '"' || first == '\'' { quoted(rest, first, &mut words) } else { plain(rest, &mut words) };
    }
}

/// `\s` of Java's patterns.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0B' | '\x0C' | '\r')
}

fn plain<'a>(rest: &'a str, words: &mut Vec<String>) -> &'a str {
    let end = rest.find(is_blank).unwrap_or(rest.len());
    words.push(rest[..end].to_owned());
    &rest[end..]
}

fn quoted<'a>(rest: &'a str, quote: char, words: &mut Vec<String>) -> &'a str {
    let inner = &rest[1..];
    if let Some(end) = inner.find(quote) {
        words.push(inner[..end].to_owned());
        return &inner[end + 1..];
    }
    // The pattern finds nothing at this quote and is tried one character further on: the quote is lost.
    inner
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn words_of_a_line() {
        for (line, words) in [
            ("", &[][..]),
            ("   ", &[]),
            ("ls /", &["ls", "/"]),
            ("  create  /a\t'two words' ", &["create", "/a", "two words"]),
            ("set /a \"it's\"", &["set", "/a", "it's"]),
            ("set /a it's", &["set", "/a", "it's"]),
            ("set /a ''", &["set", "/a", ""]),
            ("set /a 'open", &["set", "/a", "open"]),
            ("set /a \"x\"y", &["set", "/a", "x", "y"]),
        ] {
            assert_eq!(split(line), words, "{line:?}");
        }
    }
}
