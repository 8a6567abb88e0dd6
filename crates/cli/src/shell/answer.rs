//! What a command has to say, and the three ways of saying it: Apache's text, a table, JSON.

use super::text;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tree::quota::StatsTrack;
use wire::{Acl, Stat};

/// How the data of a znode are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As UTF-8; what is none is replaced.
    Plain,
    /// `get -b`.
    Base64,
    /// `get -x`.
    HexDump,
}

/// What came of a command that succeeded.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// There is nothing to say.
    Nothing,
    /// A znode was created; told on standard error, as there.
    Created(String),
    /// Data, null or not, and their Stat where it was asked for.
    Data {
        /// Null is not the same as nothing.
        data: Option<Vec<u8>>,
        /// How to show them.
        form: Form,
        /// With `-s`.
        stat: Option<Stat>,
    },
    /// Children.
    Children {
        /// Their names.
        names: Vec<String>,
        /// With `-s`.
        stat: Option<Stat>,
    },
    /// Paths, one a line.
    Paths(Vec<String>),
    /// Things in brackets.
    List(Vec<String>),
    /// A Stat.
    Stat(Stat),
    /// Access control.
    Acl {
        /// The entries.
        entries: Vec<Acl>,
        /// With `-s`.
        stat: Option<Stat>,
    },
    /// A number.
    Number(i32),
    /// A line of text.
    Line(String),
    /// A text and a Stat where it was asked for.
    Text {
        /// The text.
        text: String,
        /// With `-s`.
        stat: Option<Stat>,
    },
    /// A quota and what is used of it.
    Quota {
        /// Of which subtree.
        path: String,
        /// What is granted.
        limit: StatsTrack,
        /// What is used.
        used: StatsTrack,
    },
    /// Who the client is: schemes and users.
    Users(Vec<(String, String)>),
}

/// How answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Output {
    /// As Apache's shell writes them.
    #[default]
    Text,
    /// A JSON object for each.
    Json,
    /// In columns.
    Table,
}

/// What goes to standard output and what to standard error.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Answer {
    /// Writes the answer.
    #[must_use]
    pub fn write(&self, output: Output, zone: &TimeZone) -> Written {
        let out = match output {
            Output::Text => match self {
                Answer::Created(path) => {
                    return Written { out: String::new(), err: format!("Created {path}\n") };
                }
                _ => self.text(zone),
            },
            Output::Json => match self {
                Answer::Nothing => String::new(),
                _ => format!("{}\n", self.json()),
            },
            Output::Table => self.table(zone),
        };
        Written { out, err: String::new() }
    }

    fn text(&self, zone: &TimeZone) -> String {
        let with = |stat: &Option<Stat>| stat.as_ref().map(|stat| text::stat(stat, zone)).unwrap_or_default();
        match self {
            Answer::Nothing | Answer::Created(_) => String::new(),
            Answer::Data { data, form, stat } => format!("{}\n{}", shown(data.as_deref(), *form), with(stat)),
            Answer::Children { names, stat } => format!("{}\n{}", text::list(names), with(stat)),
            Answer::Paths(paths) => paths.iter().map(|path| format!("{path}\n")).collect(),
            Answer::List(items) => format!("{}\n", text::list(items)),
            Answer::Stat(stat) => text::stat(stat, zone),
            Answer::Acl { entries, stat } => entries.iter().map(text::acl).collect::<String>() + &with(stat),
            Answer::Number(number) => format!("{number}\n"),
            Answer::Line(line) => format!("{line}\n"),
            Answer::Text { text, stat } => format!("{text}\n{}", with(stat)),
            Answer::Quota { path, limit, used } => {
                format!("Output quota for {path} {limit}\nOutput stat for {path} {used}\n")
            }
            Answer::Users(users) => users
                .iter()
                .fold("Auth scheme: User\n".to_owned(), |text, (scheme, user)| format!("{text}{scheme}: {user}\n")),
        }
    }

    fn json(&self) -> Value {
        let with = |mut object: Value, stat: &Option<Stat>| {
            if let Some(stat) = stat {
                object["stat"] = json_stat(stat);
            }
            object
        };
        match self {
            Answer::Nothing => Value::Null,
            Answer::Created(path) => json!({ "created": path }),
            Answer::Data { data, stat, .. } => with(json_data(data.as_deref()), stat),
            Answer::Children { names, stat } => with(json!({ "children": names }), stat),
            Answer::Paths(paths) => json!({ "paths": paths }),
            Answer::List(items) => json!({ "items": items }),
            Answer::Stat(stat) => json!({ "stat": json_stat(stat) }),
            Answer::Acl { entries, stat } => {
                let entry =
                    |acl: &Acl| json!({ "scheme": acl.id.scheme, "id": acl.id.id, "perms": text::perms(acl.perms) });
                with(json!({ "acl": entries.iter().map(entry).collect::<Vec<_>>() }), stat)
            }
            Answer::Number(number) => json!({ "number": number }),
            Answer::Line(line) => json!({ "text": line }),
            Answer::Text { text, stat } => with(json!({ "text": text }), stat),
            Answer::Quota { path, limit, used } => {
                json!({ "path": path, "limit": limit.to_string(), "used": used.to_string() })
            }
            Answer::Users(users) => {
                let user = |(scheme, user): &(String, String)| json!({ "scheme": scheme, "user": user });
                json!({ "users": users.iter().map(user).collect::<Vec<_>>() })
            }
        }
    }

    /// Names and values in two columns, lists one a line.
    fn table(&self, zone: &TimeZone) -> String {
        let mut rows: Vec<(String, String)> = Vec::new();
        let mut row = |name: &str, value: String| rows.push((name.to_owned(), value));
        let stat = match self {
            Answer::Nothing => return String::new(),
            Answer::Children { names, stat } => {
                row("children", names.join("\n"));
                stat.as_ref()
            }
            Answer::Paths(items) | Answer::List(items) => {
                return items.iter().map(|item| format!("{item}\n")).collect();
            }
            Answer::Created(path) => {
                row("created", path.clone());
                None
            }
            Answer::Data { data, form, stat } => {
                row("data", shown(data.as_deref(), *form));
                stat.as_ref()
            }
            Answer::Stat(stat) => Some(stat),
            Answer::Acl { entries, stat } => {
                for acl in entries {
                    row(&format!("{}:{}", acl.id.scheme, acl.id.id), text::perms(acl.perms));
                }
                stat.as_ref()
            }
            Answer::Number(_) | Answer::Line(_) => return self.text(zone),
            Answer::Text { text, stat } => {
                for line in text.lines() {
                    let (name, value) = line.split_once('=').unwrap_or((line, ""));
                    row(name, value.to_owned());
                }
                stat.as_ref()
            }
            Answer::Quota { path, limit, used } => {
                row("path", path.clone());
                row("limit", limit.to_string());
                row("used", used.to_string());
                None
            }
            Answer::Users(users) => {
                users.iter().for_each(|(scheme, user)| row(scheme, user.clone()));
                None
            }
        };
        for line in stat.map(|stat| text::stat(stat, zone)).unwrap_or_default().lines() {
            let (name, value) = line.split_once(" = ").unwrap_or((line, ""));
            row(name, value.to_owned());
        }
        columns(&rows)
    }
}

/// Two columns; further lines of a value stand below its first.
fn columns(rows: &[(String, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in rows {
        for (at, line) in value.split('\n').enumerate() {
            let head = if at == 0 { name.as_str() } else { "" };
            text += format!("{head:width$}  {line}").trim_end();
            text.push('\n');
        }
    }
    text
}

fn shown(data: Option<&[u8]>, form: Form) -> String {
    // Null is shown, and dumped, as the word.
    let data = data.unwrap_or(b"null");
    match form {
        Form::Plain => String::from_utf8_lossy(data).into_owned(),
        Form::Base64 => BASE64.encode(data),
        Form::HexDump => text::hex_dump(data),
    }
}

/// Data are text where they are UTF-8, and always there in base64.
fn json_data(data: Option<&[u8]>) -> Value {
    let Some(data) = data else { return json!({ "data": null, "base64": null }) };
    json!({ "data": std::str::from_utf8(data).ok(), "base64": BASE64.encode(data) })
}

fn json_stat(stat: &Stat) -> Value {
    let hex = |number: i64| format!("0x{number:x}");
    json!({
        "czxid": hex(stat.czxid), "mzxid": hex(stat.mzxid), "pzxid": hex(stat.pzxid),
        "ctimeMs": stat.ctime, "mtimeMs": stat.mtime,
        "version": stat.version, "cversion": stat.cversion, "aversion": stat.aversion,
        "ephemeralOwner": hex(stat.ephemeral_owner), "dataLength": stat.data_length, "numChildren": stat.num_children,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(answer: &Answer, output: Output) -> String {
        answer.write(output, &TimeZone::UTC).out
    }

    #[test]
    fn null_is_not_empty() {
        let data = |data: Option<&[u8]>, form| Answer::Data { data: data.map(<[u8]>::to_vec), form, stat: None };
        assert_eq!(out(&data(None, Form::Plain), Output::Text), "null\n");
        assert_eq!(out(&data(Some(b""), Form::Plain), Output::Text), "\n");
        assert_eq!(out(&data(Some(b"a"), Form::Base64), Output::Text), "YQ==\n");
        assert_eq!(out(&data(None, Form::Plain), Output::Json), "{\"base64\":null,\"data\":null}\n");
        assert_eq!(out(&data(Some(b"\xff"), Form::Plain), Output::Json), "{\"base64\":\"/w==\",\"data\":null}\n");
    }

    #[test]
    fn the_three_ways() {
        let names = || vec!["a".to_owned(), "bb".to_owned()];
        let children = Answer::Children { names: names(), stat: None };
        assert_eq!(out(&children, Output::Text), "[a, bb]\n");
        assert_eq!(out(&children, Output::Json), "{\"children\":[\"a\",\"bb\"]}\n");
        assert_eq!(out(&children, Output::Table), "children  a\n          bb\n");
        let created = Answer::Created("/a".to_owned()).write(Output::Text, &TimeZone::UTC);
        assert_eq!((created.out.as_str(), created.err.as_str()), ("", "Created /a\n"));
        let acl = Answer::Acl { entries: Acl::open(), stat: None };
        assert_eq!(out(&acl, Output::Text), "'world,'anyone\n: cdrwa\n");
        assert_eq!(out(&acl, Output::Table), "world:anyone  cdrwa\n");
    }
}
