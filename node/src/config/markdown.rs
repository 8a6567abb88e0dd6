//! `docs/configuration.md`, generated from the table of keys.

use std::fmt::Write as _;

use super::keys::{self, Disposition, Key, Section, Standing};
use super::kind::Kind;

const INTRODUCTION: &str = "\
# Configuration

<!-- Generated from the table of keys in node/src/config; do not edit. -->

zookube reads Apache ZooKeeper's `zoo.cfg`, its dynamic file and `myid` as they are. Each key is *honoured*, or accepted
*without effect* (the server says so in one warning line when it starts), or *refused* (the server does not start).
A key that is not in these tables is a warning, unless it is so close to one of them that it must be a slip.

A value in parentheses is Apache's default where ours differs. \"A Java property in Apache\" marks keys that Apache
takes only from the command line of the virtual machine.
";

/// The text of `docs/configuration.md`.
#[must_use]
pub fn configuration_markdown() -> String {
    let mut text = INTRODUCTION.to_owned();
    for section in Section::ALL {
        let rows = |honoured: bool| {
            keys::all()
                .filter(move |key| key.section == section && (key.disposition == Disposition::Honoured) == honoured)
                .map(row)
                .collect::<String>()
        };
        let (honoured, inert) = (rows(true), rows(false));
        let mut push = |part: std::fmt::Arguments<'_>| text.write_fmt(part).expect("writing to a String cannot fail");
        push(format_args!("\n## {}\n", section.title()));
        if !honoured.is_empty() {
            push(format_args!("\n| Key | Default | Value | Meaning |\n| --- | --- | --- | --- |\n{honoured}"));
        }
        if !inert.is_empty() {
            push(format_args!(
                "\n| Key | Apache's default | Meaning there | Here |\n| --- | --- | --- | --- |\n{inert}"
            ));
        }
    }
    text
}

fn row(key: &Key) -> String {
    let names: Vec<String> = std::iter::once(&key.name).chain(key.aliases).map(|name| format!("`{name}`")).collect();
    let default = match key.default {
        Standing::Value("") => "empty".to_owned(),
        Standing::Value(value) => format!("`{value}`"),
        Standing::Differs { ours, apache } => format!("`{ours}` (`{apache}`)"),
        Standing::Derived(text) => text.to_owned(),
        Standing::Unset => "none".to_owned(),
    };
    let (name, meaning) = (names.join(", "), key.meaning);
    match key.disposition {
        Disposition::Honoured => format!("| {name} | {default} | {} | {meaning} |\n", values(key.kind)),
        Disposition::NoEffect { reason, .. } => format!("| {name} | {default} | {meaning} | no effect: {reason} |\n"),
        Disposition::Refused { unless: [], reason } => {
            format!("| {name} | {default} | {meaning} | refused: {reason} |\n")
        }
        Disposition::Refused { unless, reason } => {
            let accepted: Vec<String> = unless.iter().map(|value| format!("`{value}`")).collect();
            format!("| {name} | {default} | {meaning} | refused unless {}: {reason} |\n", accepted.join(" or "))
        }
    }
}

fn values(kind: Kind) -> String {
    match kind {
        Kind::OneOf(words) => {
            let words: Vec<String> = words
                .iter()
                .map(|word| if word.is_empty() { "empty".to_owned() } else { format!("`{word}`") })
                .collect();
            words.join(", ")
        }
        kind => kind.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// `UPDATE_DOCS=1 cargo test -p zookube-node configuration` writes the file.
    #[test]
    fn the_committed_configuration_page_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, configuration_markdown()).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == configuration_markdown(),
            "docs/configuration.md is out of date; run UPDATE_DOCS=1 cargo test -p zookube-node configuration"
        );
    }
}
