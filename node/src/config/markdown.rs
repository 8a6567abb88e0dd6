//! `docs/configuration.md`, generated from the table of keys.

use std::fmt::Write as _;

use super::keys::{self, Disposition, Key, Section, Standing};
use super::kind::Kind;
use super::variables::{Effect, VARIABLES, Variable};

const INTRODUCTION: &str = "\
# Configuration

<!-- Generated from the table of keys in node/src/config; do not edit. -->

zookube reads Apache ZooKeeper's `zoo.cfg`, its dynamic file and `myid` as they are. Each key is *honoured*, or accepted
*without effect* (the server says so in one warning line when it starts), or *refused* (the server does not start).
A key that is not in these tables is a warning, unless it is so close to one of them that it must be a slip.

Where there is no `zoo.cfg`, [environment variables](#environment) take its place. `zookube-node config print` shows every
key with the value that counts and where it comes from, `--json` for programs; `zookube-node config check` says what is
wrong, all of it, and ends with exit code 2 if anything is.

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
    text + &environment_chapter()
}

const ENVIRONMENT: &str = "
## Environment

A container is configured as one of Apache's official image: by variables, or by a `zoo.cfg` in `$ZOO_CONF_DIR`. For each key the
first of these counts:

1. `--set key=value` on the command line;
2. the `zoo.cfg` named by `--config`, else `$ZOO_CONF_DIR/zoo.cfg` if that file is there;
3. without a `zoo.cfg`: `ZOO_CFG_EXTRA`, then the variable of the key, as if the official image had written them to a file;
4. `-Dzookeeper.key=value` in `JVMFLAGS`, then in `SERVER_JVMFLAGS`, for keys that are Java properties in Apache;
5. without a `zoo.cfg`: the default of the official image; then the default in the tables above.

A `zoo.cfg` switches off the variables that make one up; one warning names those that are set. Who the server is may still be said
by variables. An empty variable counts as not set. Without a file and without any of these variables `run` is refused, so that a bare
machine does not start something by accident.

### Which server it is

The id is said by the `myid` file in the data directory, `--myid`, `ZOO_MY_ID`, or the name of the host, the first of them that says
anything; all that do must agree, or the server does not start and names both. `run` writes the file at the first start; nothing
else does. Ids are 1 to 255, or 254 with `extendedTypesEnabled=true`.

The host's name says something in three cases. It is made from the name in `ZOOKUBE_PEERS`: the id is its ordinal plus the offset.
It is the name in exactly one line of the server list, with or without its domain: the id is that line's. Or
`ZOOKUBE_ORDINAL_OFFSET` is set: the id is the number at the end of the name plus the offset. Names that Docker makes up say
nothing. Beside a `zoo.cfg` a host name that disagrees is a warning only.

### Who the members are

Either `ZOO_SERVERS` lists them, or `ZOOKUBE_PEERS` and `ZOOKUBE_REPLICAS` do. With

    ZOOKUBE_PEERS=zk-{ordinal}.zk-headless:2888:3888
    ZOOKUBE_REPLICAS=3
    ZOOKUBE_OBSERVERS=1

the pods `zk-0` to `zk-2` are the voters 1 to 3, and `zk-3` is the observer 4. Where no dash stands before `{ordinal}`, as in
`zk{ordinal}`, the ordinals begin at 1 and are the ids. In general ids are ordinals plus the offset, and the ordinals begin at 0, or
at 1 if the offset is 0. DNS gives addresses and never makes a member: a quorum is a majority of the declared servers.

Quorum and election port are bound on every interface, because the name of a container may have an address that is not its own, or
none yet; what the other servers are told is the declared name. `0.0.0.0` in a server's own line means the same, from any source, and
the host's name is told in its place. A line of this server without `;2181` serves clients on 2181 all the same, with a warning: the
image of Apache 3.4 did so, today's serves none.

### Variables
";

fn environment_chapter() -> String {
    let rows: String = VARIABLES.iter().map(variable_row).collect();
    format!("{ENVIRONMENT}\n| Variable | Default | Meaning |\n| --- | --- | --- |\n{rows}")
}

fn variable_row(variable: &Variable) -> String {
    let name = variable.name;
    match variable.effect {
        Effect::Key { key, image_default } => {
            let default = image_default.map_or_else(|| "that of the key".to_owned(), |value| format!("`{value}`"));
            let except = if name == "ZOO_DATA_LOG_DIR" { ", or `ZOO_DATA_DIR` where that is set" } else { "" };
            format!("| `{name}` | {default}{except} | `{key}` |\n")
        }
        Effect::Declares | Effect::Always | Effect::Elsewhere => {
            format!("| `{name}` | none | {} |\n", variable.meaning)
        }
        Effect::Java if name.ends_with("JVMFLAGS") => {
            format!("| `{name}` | none | {}; what else is in it has no effect, with a warning |\n", variable.meaning)
        }
        Effect::Java => format!("| `{name}` | none | {}; no effect, with a warning |\n", variable.meaning),
        Effect::NoEffect { reason, .. } => format!("| `{name}` | none | no effect: {reason} |\n"),
    }
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
