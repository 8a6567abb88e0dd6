//! Patterns for names and relative paths, as shells have them. Pure.

/// A pattern: `*` is any run of characters and `?` any one, none of them a slash; `**` is any run, slashes too; `[a-z]` is one of
/// these, `[!a-z]` none of them; `\` takes away the meaning of what follows.
///
/// A pattern without a slash is about a single name, one with a slash about the whole relative path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    tokens: Vec<Token>,
    is_of_path: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Char(char),
    One,
    Run,
    RunOfNames,
    Set { negated: bool, ranges: Vec<(char, char)> },
}

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it: a set without its end, a backslash with nothing behind it.
    pub fn parse(text: &str) -> Result<Glob, String> {
        let mut tokens = Vec::new();
        let mut rest = text.trim_start_matches('/').chars().peekable();
        while let Some(character) = rest.next() {
            tokens.push(match character {
                '?' => Token::One,
                '*' if rest.next_if_eq(&'*').is_some() => Token::RunOfNames,
                '*' => Token::Run,
                '[' => {
                    set(&mut rest).ok_or_else(|| format!("pattern {text:?}: a [ without its ]; \\[ is a bracket"))?
                }
                '\\' => Token::Char(rest.next().ok_or_else(|| format!("pattern {text:?}: ends with a single \\"))?),
                other => Token::Char(other),
            });
        }
        Ok(Glob { tokens, is_of_path: text.contains('/') })
    }

    /// Whether a text as a whole has this form.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        // Places in the text that the tokens so far may have come to: linear in tokens times characters, whatever the pattern.
        let mut places = vec![false; text.len() + 1];
        places[0] = true;
        for token in &self.tokens {
            let mut next = vec![false; text.len() + 1];
            for at in 0..=text.len() {
                match token {
                    Token::Run | Token::RunOfNames => {
                        let passes = |character: char| *token == Token::RunOfNames || character != '/';
                        next[at] = places[at] || (at > 0 && next[at - 1] && passes(text[at - 1]));
                    }
                    one => next[at] = at > 0 && places[at - 1] && one.is(text[at - 1]),
                }
            }
            places = next;
        }
        places[text.len()]
    }

    /// Whether a relative path, or one above it, is meant: what is below a znode that is meant is meant too.
    #[must_use]
    pub fn covers(&self, relative: &str) -> bool {
        if !self.is_of_path {
            return relative.split('/').any(|name| self.matches(name));
        }
        let ends = relative.match_indices('/').map(|(at, _)| at).chain([relative.len()]);
        ends.into_iter().any(|end| self.matches(&relative[..end]))
    }
}

impl Token {
    /// Whether a token of one character is this one.
    fn is(&self, character: char) -> bool {
        match self {
            Token::Char(expected) => *expected == character,
            Token::One => character != '/',
            Token::Set { negated, ranges } => {
                let is_in = ranges.iter().any(|(first, last)| (*first..=*last).contains(&character));
                character != '/' && is_in != *negated
            }
            Token::Run | Token::RunOfNames => false,
        }
    }
}

/// What stands behind an opening bracket, up to its closing one, which is plain where it comes first.
fn set(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let negated = rest.next_if(|next| matches!(next, '!' | '^')).is_some();
    let mut ranges = Vec::new();
    loop {
        let first = match rest.next()? {
            ']' if !ranges.is_empty() => return Some(Token::Set { negated, ranges }),
            '\\' => rest.next()?,
            other => other,
        };
        let mut ahead = rest.clone();
        let last = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(last)) if last != ']' => {
                *rest = ahead;
                last
            }
            _ => first,
        };
        ranges.push((first, last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        let glob = Glob::parse(pattern).unwrap();
        for text in yes {
            assert!(glob.matches(text), "{pattern} {text}");
        }
        for text in no {
            assert!(!glob.matches(text), "{pattern} {text}");
        }
    }

    #[test]
    fn patterns_match() {
        check("", &[""], &["a"]);
        check("a*c", &["ac", "abc", "abbc"], &["ab", "a/c", "abcd"]);
        check("*", &["", "é"], &["a/b"]);
        check("a/**", &["a/", "a/b/c"], &["a", "b/a/c"]);
        check("**/x", &["a/x", "a/b/x"], &["x", "a/xy"]);
        check("?-[0-9][!a-c]", &["é-1z", "x-9-"], &["x-1a", "-12", "x-12z"]);
        check("[]a-]", &["]", "a", "-"], &["b"]);
        check(r"\*[\]]", &["*]"], &["a]"]);
        check("lock-??????????", &["lock-0000000001"], &["lock-1"]);
        check("*a*a*a*a*a*a*a*b", &[], &["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]);
    }

    #[test]
    fn a_pattern_covers_what_is_below() {
        let covers = |pattern: &str, path: &str| Glob::parse(pattern).unwrap().covers(path);
        assert!(covers("tmp", "a/tmp/b"));
        assert!(!covers("tmp", "a/tmpx"));
        assert!(covers("a/tmp*", "a/tmpx/b"));
        assert!(covers("/a", "a/b"));
        assert!(!covers("/a", "b/a"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        assert_eq!(Glob::parse("a[b").unwrap_err(), "pattern \"a[b\": a [ without its ]; \\[ is a bracket");
        assert_eq!(Glob::parse("a\\").unwrap_err(), "pattern \"a\\\\\": ends with a single \\");
    }
}
