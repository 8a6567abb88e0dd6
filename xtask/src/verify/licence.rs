//! SPDX licence expressions: which licences of an expression are needed so that it is met by those allowed.

use anyhow::{Result, bail, ensure};

/// The licences with which `expression` can be met out of `allowed`, `None` if it cannot.
///
/// `OR` takes the first side that can be met, `AND` needs both, and `/` is how `OR` was written once.
pub fn met_by(expression: &str, allowed: &dyn Fn(&str) -> bool) -> Result<Option<Vec<String>>> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, allowed };
    let met = parser.either()?;
    ensure!(parser.words.is_empty(), "licence `{expression}`: unexpected `{}`", parser.words.join(" "));
    Ok(met)
}

struct Parser<'a> {
    words: &'a [&'a str],
    allowed: &'a dyn Fn(&str) -> bool,
}

impl Parser<'_> {
    fn takes(&mut self, word: &str) -> bool {
        let is_next = self.words.first() == Some(&word);
        if is_next {
            self.words = &self.words[1..];
        }
        is_next
    }

    fn either(&mut self) -> Result<Option<Vec<String>>> {
        let mut met = self.both()?;
        while self.takes("OR") {
            let other = self.both()?;
            met = met.or(other);
        }
        Ok(met)
    }

    fn both(&mut self) -> Result<Option<Vec<String>>> {
        let mut met = self.one()?;
        while self.takes("AND") {
            let other = self.one()?;
            met = met.zip(other).map(|(left, right)| [left, right].concat());
        }
        Ok(met)
    }

    fn one(&mut self) -> Result<Option<Vec<String>>> {
        if self.takes("(") {
            let met = self.either()?;
            ensure!(self.takes(")"), "a bracket is not closed");
            return Ok(met);
        }
        let Some((word, rest)) = self.words.split_first() else { bail!("a licence is missing at the end") };
        ensure!(!["AND", "OR", "WITH", ")"].contains(word), "a licence is missing before `{word}`");
        self.words = rest;
        let mut licence = (*word).to_owned();
        if self.takes("WITH") {
            let Some((exception, rest)) = self.words.split_first() else { bail!("WITH what?") };
            self.words = rest;
            licence = format!("{licence} WITH {exception}");
        }
        Ok((self.allowed)(&licence).then(|| vec![licence]))
    }
}

#[cfg(test)]
mod tests {
    use super::met_by;

    fn check(expression: &str, expected: Option<&[&str]>) {
        let allowed = ["MIT", "Apache-2.0", "Unicode-3.0"];
        let met = met_by(expression, &|licence| allowed.contains(&licence)).expect("a licence expression");
        assert_eq!(met, expected.map(|list| list.iter().map(|s| (*s).to_owned()).collect()), "{expression}");
    }

    #[test]
    fn expressions_of_the_registry() {
        check("MIT", Some(&["MIT"]));
        check("GPL-3.0-only", None);
        check("MIT OR Apache-2.0", Some(&["MIT"]));
        check("GPL-3.0-only OR MIT", Some(&["MIT"]));
        check("MIT/Apache-2.0", Some(&["MIT"]));
        check("MIT AND GPL-3.0-only", None);
        check("(MIT OR Apache-2.0) AND Unicode-3.0", Some(&["MIT", "Unicode-3.0"]));
        check("MIT AND (GPL-3.0-only OR BSL-1.0)", None);
        check("GPL-3.0-only OR MIT AND Unicode-3.0", Some(&["MIT", "Unicode-3.0"]));
        check("Apache-2.0 WITH LLVM-exception", None);
        check("Apache-2.0 WITH LLVM-exception OR MIT", Some(&["MIT"]));
    }

    #[test]
    fn nonsense_is_refused() {
        for expression in ["", "MIT OR", "(MIT", "MIT)", "MIT Apache-2.0", "AND MIT", "MIT WITH"] {
            assert!(met_by(expression, &|_| true).is_err(), "{expression:?}");
        }
    }
}
