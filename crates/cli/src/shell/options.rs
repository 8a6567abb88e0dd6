//! The options of a command, read as Apache's shell reads them (`org.apache.commons.cli.DefaultParser` 1.5): single hyphens, values behind a
//! blank, `=` or nothing, options anywhere between the words.

use std::fmt;

/// An option that a command knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// Its name, without the hyphen.
    pub name: &'static str,
    /// Whether a value follows.
    pub takes_value: bool,
    /// What `help` of the command says of it; Apache's words.
    pub meaning: &'static str,
    /// Whether it is one of ours: written with two hyphens, and not in Apache's usage text.
    pub ours: bool,
}

/// An option without a value.
#[must_use]
pub const fn flag(name: &'static str, meaning: &'static str) -> Spec {
    Spec { name, takes_value: false, meaning, ours: false }
}

/// An option with a value.
#[must_use]
pub const fn value(name: &'static str, meaning: &'static str) -> Spec {
    Spec { name, takes_value: true, meaning, ours: false }
}

/// One of our own, `--name VALUE`.
#[must_use]
pub const fn own(name: &'static str, meaning: &'static str) -> Spec {
    Spec { name, takes_value: true, meaning, ours: true }
}

/// Which of a command's options exclude each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Group {
    /// None.
    #[default]
    Free,
    /// At most one of all.
    AtMostOne,
    /// Exactly one of all.
    One,
}

/// The words of a command line, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The words that are neither options nor their values; the first is the command.
    pub words: Vec<String>,
    given: Vec<(&'static str, Option<String>)>,
}

impl Parsed {
    /// Whether an option was given.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| *given == name)
    }

    /// The value of an option that was given: the first, if there are several.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.given.iter().find(|(given, _)| *given == name).and_then(|(_, value)| value.as_deref())
    }
}

/// Why a command line makes no sense. Displayed as Java displays the exception.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// No option has this name.
    Unrecognized(String),
    /// A value must follow.
    MissingValue(&'static str),
    /// Two options that exclude each other: the later and the earlier one.
    AlreadySelected(&'static str, &'static str),
    /// None of a group of which one is needed; the text names them.
    MissingOption(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let package = "org.apache.commons.cli";
        match self {
            Problem::Unrecognized(token) => {
                write!(f, "{package}.UnrecognizedOptionException: Unrecognized option: {token}")
            }
            Problem::MissingValue(name) => {
                write!(f, "{package}.MissingArgumentException: Missing argument for option: {name}")
            }
            Problem::AlreadySelected(later, earlier) => write!(
                f,
                "{package}.AlreadySelectedException: The option '{later}' was specified but an option from this group has already \
                 been selected: '{earlier}'"
            ),
            Problem::MissingOption(group) => {
                write!(f, "{package}.MissingOptionException: Missing required option: {group}")
            }
        }
    }
}

/// Reads the words of a command, its name first.
///
/// # Errors
/// [`Problem`], at the first word that makes no sense.
pub fn parse(words: &[String], specs: &'static [Spec], group: Group) -> Result<Parsed, Problem> {
    let mut reading = Reading { specs, group, parsed: Parsed::default(), open: None, all_are_words: false };
    words.iter().try_for_each(|word| reading.word(word))?;
    reading.expect_no_value()?;
    if group == Group::One && reading.parsed.given.is_empty() {
        return Err(Problem::MissingOption(describe(specs)));
    }
    Ok(reading.parsed)
}

/// `OptionGroup.toString`.
fn describe(specs: &[Spec]) -> String {
    let each: Vec<String> =
        specs.iter().filter(|spec| !spec.ours).map(|spec| format!("-{} {}", spec.name, spec.meaning)).collect();
    format!("[{}]", each.join(", "))
}

struct Reading {
    specs: &'static [Spec],
    group: Group,
    parsed: Parsed,
    /// The option whose value is to follow.
    open: Option<&'static str>,
    /// Behind `--`.
    all_are_words: bool,
}

impl Reading {
    fn find(&self, name: &str) -> Option<&'static Spec> {
        self.specs.iter().find(|spec| spec.name == name && !spec.ours)
    }

    /// `DefaultParser.handleToken`.
    fn word(&mut self, token: &str) -> Result<(), Problem> {
        if self.all_are_words {
            self.parsed.words.push(token.to_owned());
        } else if token == "--" {
            self.all_are_words = true;
        } else if self.open.is_some() && (!self.is_option(token) || token.parse::<f64>().is_ok()) {
            self.close(strip_quotes(token));
        } else if let Some(name) = token.strip_prefix("--") {
            self.own(token, name)?;
        } else if token.starts_with('-') && token.len() > 1 {
            self.option(token)?;
        } else {
            self.parsed.words.push(token.to_owned());
        }
        Ok(())
    }

    /// `DefaultParser.isShortOption`, and ours.
    fn is_option(&self, token: &str) -> bool {
        let Some(name) = token.strip_prefix('-').filter(|name| !name.is_empty()) else { return false };
        let name = name.split_once('=').map_or(name, |(name, _)| name);
        let first = name.chars().next().map(String::from).unwrap_or_default();
        self.find(name).is_some() || self.find(&first).is_some() || self.find_own(token).is_some()
    }

    fn find_own(&self, token: &str) -> Option<&'static Spec> {
        let name = token.strip_prefix("--")?;
        let name = name.split_once('=').map_or(name, |(name, _)| name);
        self.specs.iter().find(|spec| spec.ours && spec.name == name)
    }

    /// An option with two hyphens: one of ours, for Apache's commands have none.
    fn own(&mut self, token: &str, name: &str) -> Result<(), Problem> {
        let spec = self.find_own(token).ok_or_else(|| Problem::Unrecognized(token.to_owned()))?;
        self.begin(spec)?;
        if let Some((_, value)) = name.split_once('=') {
            self.close(value);
        }
        Ok(())
    }

    /// `DefaultParser.handleShortAndLongOption`.
    fn option(&mut self, token: &str) -> Result<(), Problem> {
        let name = token.trim_start_matches('-');
        if let Some(spec) = self.find(name) {
            return self.begin(spec);
        }
        match name.split_once('=') {
            Some((short, value)) if short.chars().count() == 1 => {
                let spec = self.find(short).filter(|spec| spec.takes_value);
                let spec = spec.ok_or_else(|| Problem::Unrecognized(token.to_owned()))?;
                self.begin(spec)?;
                self.close(value);
                Ok(())
            }
            Some(_) => Err(Problem::Unrecognized(token.to_owned())),
            None => self.concatenated(token),
        }
    }

    /// `DefaultParser.handleConcatenatedOptions`: several letters behind one hyphen.
    fn concatenated(&mut self, token: &str) -> Result<(), Problem> {
        for (at, letter) in token.char_indices().skip(1) {
            let spec = self.find(&letter.to_string()).ok_or_else(|| Problem::Unrecognized(token.to_owned()))?;
            self.begin(spec)?;
            let rest = &token[at + letter.len_utf8()..];
            if self.open.is_some() && !rest.is_empty() {
                self.close(rest);
                break;
            }
        }
        Ok(())
    }

    fn begin(&mut self, spec: &'static Spec) -> Result<(), Problem> {
        self.expect_no_value()?;
        let earlier = self.parsed.given.iter().find(|(given, _)| *given != spec.name);
        if let (true, Some((earlier, _))) = (self.group != Group::Free && !spec.ours, earlier) {
            return Err(Problem::AlreadySelected(spec.name, earlier));
        }
        self.open = spec.takes_value.then_some(spec.name);
        if self.open.is_none() {
            self.parsed.given.push((spec.name, None));
        }
        Ok(())
    }

    fn close(&mut self, value: &str) {
        if let Some(name) = self.open.take() {
            self.parsed.given.push((name, Some(value.to_owned())));
        }
    }

    /// `DefaultParser.checkRequiredArgs`.
    fn expect_no_value(&self) -> Result<(), Problem> {
        self.open.map_or(Ok(()), |name| Err(Problem::MissingValue(name)))
    }
}

/// `Util.stripLeadingAndTrailingQuotes`.
fn strip_quotes(text: &str) -> &str {
    let inner = text.strip_prefix('"').and_then(|inner| inner.strip_suffix('"'));
    inner.filter(|inner| !inner.contains('"')).unwrap_or(text)
}

/// The options as the usage text of a command lists them (`HelpFormatter.printOptions`): by name, the meanings in one column.
#[must_use]
pub fn list(specs: &[Spec]) -> String {
    let mut specs: Vec<&Spec> = specs.iter().filter(|spec| !spec.ours).collect();
    specs.sort_by_key(|spec| spec.name.to_lowercase());
    let head = |spec: &Spec| format!(" -{}{}", spec.name, if spec.takes_value { " <arg>" } else { "" });
    let width = specs.iter().map(|spec| head(spec).len()).max().unwrap_or(0);
    specs.iter().map(|spec| format!("{:width$}   {}\n", head(spec), spec.meaning)).collect()
}

#[cfg(test)]
#[path = "options_test.rs"]
mod tests;
