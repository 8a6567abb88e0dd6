//! The table of all keys: what each is called, what it may be set to, and what happens then.
//!
//! Everything else derives from it: the fields of [`super::Settings`], the warnings and refusals, and
//! `docs/configuration.md`. A key is described in exactly one place.

use super::honoured::HONOURED;
use super::inert::INERT;
use super::kind::Kind;

/// The part of the documentation a key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// Ports, directories, sessions.
    Basic,
    /// The ensemble.
    Cluster,
    /// Log, snapshots, retention.
    Storage,
    /// Quotas and throttling.
    Limits,
    /// Who may do what, and encryption.
    Security,
    /// HTTP, metrics, and what only a Java process has.
    Operations,
}

impl Section {
    /// Every section, in the order of the documentation.
    pub const ALL: [Section; 6] =
        [Section::Basic, Section::Cluster, Section::Storage, Section::Limits, Section::Security, Section::Operations];

    /// The heading.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Section::Basic => "Basics",
            Section::Cluster => "Ensemble",
            Section::Storage => "Storage",
            Section::Limits => "Limits and throttling",
            Section::Security => "Security",
            Section::Operations => "Operations",
        }
    }
}

/// What holds while a key is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As if this had been written.
    Value(&'static str),
    /// As if the first had been written, where Apache would assume the second (`docs/decisions/0003-defaults.md`).
    Differs {
        /// Our default.
        ours: &'static str,
        /// Apache's.
        apache: &'static str,
    },
    /// Something computed from other keys.
    Derived(&'static str),
    /// Nothing.
    Unset,
}

impl Standing {
    /// The text that would have the same effect as the absence of the key.
    #[must_use]
    pub fn text(self) -> Option<&'static str> {
        match self {
            Standing::Value(text) | Standing::Differs { ours: text, .. } => Some(text),
            Standing::Derived(_) | Standing::Unset => None,
        }
    }
}

/// What a key does here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// What it does in Apache.
    Honoured,
    /// Nothing, which a warning says unless the value asks for what happens anyway.
    NoEffect {
        /// Values that need no warning.
        quiet: &'static [&'static str],
        /// Why nothing.
        reason: &'static str,
    },
    /// The start is refused: doing nothing would be dangerous or dishonest.
    Refused {
        /// Values that ask for what happens anyway, and are accepted.
        unless: &'static [&'static str],
        /// Why.
        reason: &'static str,
    },
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The name in `zoo.cfg`. A name that ends in `.N` or `.*` stands for a family of keys.
    pub name: &'static str,
    /// Other names for the same thing: those of the manual where the code reads another.
    pub aliases: &'static [&'static str],
    /// Where it is documented.
    pub section: Section,
    /// What it may be set to.
    pub kind: Kind,
    /// What holds if it is not set.
    pub default: Standing,
    /// What happens if it is.
    pub disposition: Disposition,
    /// One line for the documentation.
    pub meaning: &'static str,
}

/// What the table says about a name found in a file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lookup {
    /// A key, or a member of a family.
    Known(&'static Key),
    /// No key, but so close to one that it must be a slip.
    NearMiss(&'static str),
    /// Nothing at all.
    Unknown,
}

/// Every key, honoured or not.
pub fn all() -> impl Iterator<Item = &'static Key> {
    HONOURED.iter().chain(INERT)
}

impl Key {
    /// What the members of a family have in common, e.g. `server.`; `None` for an ordinary key.
    fn family(&self) -> Option<&'static str> {
        // Apache takes everything that begins with these two words for a group or weight.
        match self.name {
            "group.N" => Some("group"),
            "weight.N" => Some("weight"),
            name => name.strip_suffix('N').or(name.strip_suffix('*')).filter(|prefix| prefix.ends_with('.')),
        }
    }

    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }
}

/// Looks a name up. Exact names win over families.
pub(super) fn look_up(name: &str) -> Lookup {
    if let Some(key) = all().find(|key| key.is_called(name)) {
        return Lookup::Known(key);
    }
    if let Some(key) = all().find(|key| key.family().is_some_and(|prefix| name.starts_with(prefix))) {
        return Lookup::Known(key);
    }
    near_miss(name).map_or(Lookup::Unknown, Lookup::NearMiss)
}

/// Names shorter than this are too close to everything.
const NEAR_MISS_BYTES_MIN: usize = 5;
/// Names longer than this are compared with nothing: no key is that long.
const NEAR_MISS_BYTES_MAX: usize = 80;
/// How many letters may be wrong.
const NEAR_MISS_EDITS_MAX: usize = 2;

/// The known name that differs only in case or in one or two letters, the nearest if there are several.
fn near_miss(name: &str) -> Option<&'static str> {
    if !(NEAR_MISS_BYTES_MIN..=NEAR_MISS_BYTES_MAX).contains(&name.len()) {
        return None;
    }
    let name = with_number_generalized(&name.to_lowercase());
    let names = all().flat_map(|key| std::iter::once(key.name).chain(key.aliases.iter().copied()));
    let distances = names.map(|known| (edits(&name, &known.to_lowercase()), known));
    let (distance, known) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= NEAR_MISS_EDITS_MAX).then_some(known)
}

/// `sever.12` is compared with `server.N`.
fn with_number_generalized(name: &str) -> String {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if stem.len() < name.len() && stem.ends_with('.') { format!("{stem}n") } else { name.to_owned() }
}

/// The Levenshtein distance.
pub(super) fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_name_is_given_twice() {
        let mut seen = BTreeSet::new();
        for name in all().flat_map(|key| std::iter::once(&key.name).chain(key.aliases)) {
            assert!(seen.insert(*name), "{name}");
        }
    }

    #[test]
    fn every_value_named_in_the_table_is_one_of_its_kind() {
        for key in all() {
            let quiet = match key.disposition {
                Disposition::Honoured => &[],
                Disposition::NoEffect { quiet, .. } => quiet,
                Disposition::Refused { unless, .. } => unless,
            };
            for value in quiet.iter().copied().chain(key.default.text()) {
                assert!(key.kind.read(value).is_ok(), "{}={value}", key.name);
            }
        }
    }

    fn check(name: &str, expected: &str) {
        let found = match look_up(name) {
            Lookup::Known(key) => key.name.to_owned(),
            Lookup::NearMiss(known) => format!("? {known}"),
            Lookup::Unknown => "-".to_owned(),
        };
        assert_eq!(found, expected, "{name}");
    }

    #[test]
    fn names_are_found_or_recognised() {
        check("dataDir", "dataDir");
        check("datadir", "? dataDir");
        check("dataDirs", "? dataDir");
        check("data_dir", "? dataDir");
        check("tickTme", "? tickTime");
        check("clientport", "? clientPort");
        check("server.1", "server.N");
        check("server.", "server.N");
        check("Server.1", "? server.N");
        check("sever.12", "? server.N");
        check("group.1", "group.N");
        check("weight.3", "weight.N");
        check("ssl.quorum.keyStore.location", "ssl.*");
        check("metricsProvider.className", "metricsProvider.className");
        check("metricsProvider.exportJvmInfo", "metricsProvider.*");
        check("authProvider.sasl", "authProvider.N");
        check("requestThrottleLimit", "request_throttle_max_requests");
        check("something.else", "-");
        check("abc", "-");
        check(&"x".repeat(1000), "-");
        // Two real keys that are one letter apart are not taken for each other.
        check("maxCnxns", "maxCnxns");
        check("syncLimit", "syncLimit");
        check("initLimit", "initLimit");
    }

    #[test]
    fn distances() {
        for (a, b, expected) in
            [("", "", 0), ("abc", "", 3), ("abc", "abc", 0), ("abc", "acb", 2), ("kitten", "sitting", 3)]
        {
            assert_eq!(edits(a, b), expected, "{a} {b}");
            assert_eq!(edits(b, a), expected, "{b} {a}");
        }
    }
}
