//! `zk diff`: what differs between two trees, each of an ensemble or a file.

use super::glob::Glob;
use super::kind::{Kind, TypesFrom};
use super::node::{Item, What, differences};
use super::out::{Out, Output, Progress};
use super::place::Location;
use super::session::{self, Session};
use super::source::{Dump, Merge, Source, Tree};
use crate::path::printable;
use crate::shell::screen::{Paint, Screen};
use crate::zk::Connection;
use clap::Args;
use serde_json::json;
use std::process::ExitCode;

/// The exit code where the two differ.
const DIFFERENT: u8 = 1;
/// The exit code where they could not be compared.
const TROUBLE: u8 = 2;

/// What `zk diff` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
A line a path, relative to A and B: `-` only A has it, `+` only B has it, `~` both have it and it differs (A's, B's). Null data
differ from empty data. Ephemerals are left out, unless the other side has something else at their path.
Exit code: 0 = the same, 1 = different, 2 = could not be compared, in part at least.

Examples:
  zk diff /app /app-2
  zk diff old1:2181/app new1:2181/app --ignore locks --stat
  zk diff app.jsonl.gz /app                  what has changed since the export
  zk diff file:/backup/app.jsonl /app        a file whose name would be taken for a path")]
pub struct DiffArgs {
    #[command(flatten)]
    connection: Connection,
    /// A path, `host:port,host:port/path`, or an export: `-`, NAME.jsonl, NAME.gz, `file:NAME`.
    #[arg(value_parser = Location::parse)]
    a: Location,
    /// As A.
    #[arg(value_parser = Location::parse)]
    b: Location,
    /// Leave out what has this name, and all below; with a slash in the pattern, this relative path. May be given several times.
    #[arg(long, value_name = "GLOB", value_parser = Glob::parse)]
    ignore: Vec<Glob>,
    /// Only count.
    #[arg(long)]
    stat: bool,
    #[command(flatten)]
    types: TypesFrom,
    /// How to write.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The same, or nothing that counts.
    Same,
    /// Only A has it.
    OnlyA,
    /// Only B has it.
    OnlyB,
    /// Both have it, and it differs.
    Differs(Vec<What>),
    /// An ephemeral that only one has.
    Ephemeral,
    /// Nobody knows.
    Closed(String),
}

/// Compares what two trees have at a path.
#[must_use]
pub fn judge(a: Option<&Item>, b: Option<&Item>) -> Verdict {
    match (a, b) {
        (Some(Item::Closed { reason, .. }), _) | (_, Some(Item::Closed { reason, .. })) => {
            Verdict::Closed(reason.clone())
        }
        (None, Some(Item::Ephemeral { .. })) | (Some(Item::Ephemeral { .. }), None | Some(Item::Ephemeral { .. })) => {
            Verdict::Ephemeral
        }
        (Some(Item::Node(a)), Some(Item::Node(b))) => match differences(a, b) {
            none if none.is_empty() => Verdict::Same,
            found => Verdict::Differs(found),
        },
        (Some(Item::Node(a)), Some(Item::Ephemeral { owner, .. })) => {
            Verdict::Differs(vec![What::Kind(a.kind.unwrap_or(Kind::Persistent), Kind::Ephemeral(*owner))])
        }
        (Some(Item::Ephemeral { owner, .. }), Some(Item::Node(b))) => {
            Verdict::Differs(vec![What::Kind(Kind::Ephemeral(*owner), b.kind.unwrap_or(Kind::Persistent))])
        }
        (Some(Item::Node(_)), None) => Verdict::OnlyA,
        (None, Some(Item::Node(_))) => Verdict::OnlyB,
        (None, None) => Verdict::Same,
    }
}

/// How many paths there are of each verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    same: u64,
    only_a: u64,
    only_b: u64,
    differing: u64,
    ephemerals: u64,
    closed: u64,
}

impl Counts {
    fn count(&mut self, verdict: &Verdict) {
        let counter = match verdict {
            Verdict::Same => &mut self.same,
            Verdict::OnlyA => &mut self.only_a,
            Verdict::OnlyB => &mut self.only_b,
            Verdict::Differs(_) => &mut self.differing,
            Verdict::Ephemeral => &mut self.ephemerals,
            Verdict::Closed(_) => &mut self.closed,
        };
        *counter += 1;
    }

    /// The exit code.
    #[must_use]
    pub fn code(&self) -> u8 {
        match (self.closed, self.only_a + self.only_b + self.differing) {
            (0, 0) => 0,
            (0, _) => DIFFERENT,
            _ => TROUBLE,
        }
    }

    fn text(&self) -> String {
        let mut text = format!(
            "same {}, only in A {}, only in B {}, different {}",
            self.same, self.only_a, self.only_b, self.differing
        );
        if self.ephemerals > 0 {
            text += &format!("; ephemerals left out {}", self.ephemerals);
        }
        if self.closed > 0 {
            text += &format!("; not readable {}", self.closed);
        }
        text
    }

    fn document(&self) -> String {
        json!({"summary": {
            "same": self.same, "onlyA": self.only_a, "onlyB": self.only_b, "different": self.differing,
            "ephemerals": self.ephemerals, "unreadable": self.closed,
        }})
        .to_string()
    }
}

/// The line of a verdict, and its colour; `None` where nothing is to be said.
#[must_use]
pub fn line(relative: &str, verdict: &Verdict, output: Output) -> Option<(String, Paint)> {
    let (sign, word, paint, what) = match verdict {
        Verdict::OnlyA => ('-', "onlyA", Paint::Red, &[][..]),
        Verdict::OnlyB => ('+', "onlyB", Paint::Green, &[][..]),
        Verdict::Differs(what) => ('~', "different", Paint::Yellow, what.as_slice()),
        Verdict::Same | Verdict::Ephemeral | Verdict::Closed(_) => return None,
    };
    let path = format!("/{relative}");
    if output == Output::Json {
        let mut value = json!({"verdict": word, "path": path});
        if !what.is_empty() {
            value["what"] = what.iter().map(What::name).collect();
        }
        return Some((value.to_string(), paint));
    }
    let what: Vec<String> = what.iter().map(ToString::to_string).collect();
    Some((format!("{sign} {}  {}", printable(&path), what.join(", ")).trim_end().to_owned(), paint))
}

/// Runs `zk diff`. What keeps the two from being compared is told, with an exit code of its own.
///
/// # Errors
/// None: see the exit code.
pub fn run(args: DiffArgs) -> anyhow::Result<ExitCode> {
    let result = session::run(compare(args));
    Ok(result.unwrap_or_else(|error| {
        Screen::of_process().failure(&format!("{error:#}"), None);
        ExitCode::from(TROUBLE)
    }))
}

async fn compare(args: DiffArgs) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(args.a != args.b || args.a != Location::File("-".into()), "standard input cannot be both");
    let (a, b) = futures::try_join!(source(&args, &args.a), source(&args, &args.b))?;
    let mut merge = Merge::new(a.0, b.0);
    let (mut out, mut counts) = (Out::of_process(), Counts::default());
    // Lines and a bar on the same terminal would disturb each other.
    let progress = Progress::new("comparing", None);
    while let Some((a, b)) = merge.next().await? {
        progress.step();
        let relative = a.as_ref().or(b.as_ref()).map(Item::path).unwrap_or_default();
        if args.ignore.iter().any(|glob| glob.covers(relative)) {
            continue;
        }
        let verdict = judge(a.as_ref(), b.as_ref());
        counts.count(&verdict);
        if let Verdict::Closed(reason) = &verdict {
            progress.say(&format!("/{relative}: not compared, nor what is below it: {reason}"));
        }
        if let Some((line, paint)) = line(relative, &verdict, args.output).filter(|_| !args.stat) {
            out.line(&out.paint(paint, &line))?;
        }
    }
    progress.end();
    match args.output {
        Output::Json => out.line(&counts.document())?,
        Output::Text if args.stat => out.line(&counts.text())?,
        Output::Text => {}
    }
    out.flush()?;
    for session in [a.1, b.1].into_iter().flatten() {
        session.client.close().await;
    }
    Ok(ExitCode::from(counts.code()))
}

/// A side, and the session that it lives by.
async fn source(args: &DiffArgs, location: &Location) -> anyhow::Result<(Source, Option<Session>)> {
    if let Location::File(name) = location {
        return Ok((Source::Dump(Dump::open(name)?), None));
    }
    let (server, root) = location.of_tree(None)?;
    let (session, _events) = Session::open(&args.connection, server).await?;
    let session = session.with_types(&args.types)?;
    let found = session.ask(async |client| client.exists(root, false).await).await;
    if found.map_err(|error| session.failure(&error))?.is_none() {
        let is_file = server.is_none() && std::path::Path::new(root).is_file();
        let hint = if is_file { format!("; to compare the file, write file:{root}") } else { String::new() };
        anyhow::bail!("{root}: there is no such znode on {}{hint}", session.hosts());
    }
    Ok((Source::Tree(Tree::new(&session, root, None)), Some(session)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::node::tests::node;

    fn item(data: Option<&str>) -> Option<Item> {
        Some(Item::Node(node("a/b", data)))
    }

    fn ephemeral(owner: i64) -> Option<Item> {
        Some(Item::Ephemeral { path: "a/b".into(), owner })
    }

    fn told(a: Option<Item>, b: Option<Item>) -> String {
        let verdict = judge(a.as_ref(), b.as_ref());
        line("a/b", &verdict, Output::Text).map_or_else(|| format!("{verdict:?}"), |(line, _)| line)
    }

    #[test]
    fn verdicts() {
        assert_eq!(told(item(None), item(None)), "Same");
        assert_eq!(told(item(None), None), "- /a/b");
        assert_eq!(told(None, item(None)), "+ /a/b");
        assert_eq!(told(item(None), item(Some(""))), "~ /a/b  data (null, 0 B)");
        assert_eq!(told(ephemeral(1), None), "Ephemeral");
        assert_eq!(told(ephemeral(1), ephemeral(2)), "Ephemeral");
        assert_eq!(told(ephemeral(1), item(None)), "~ /a/b  type (ephemeral 0x1, persistent)");
        let closed = Some(Item::Closed { path: "a/b".into(), reason: "no".into() });
        assert_eq!(told(closed, item(None)), "Closed(\"no\")");
    }

    #[test]
    fn documents_and_codes() {
        let verdict = judge(item(None).as_ref(), item(Some("")).as_ref());
        let (text, _) = line("a", &verdict, Output::Json).unwrap();
        assert_eq!(text, r#"{"path":"/a","verdict":"different","what":["data"]}"#);
        let mut counts = Counts::default();
        counts.count(&Verdict::Same);
        counts.count(&Verdict::Ephemeral);
        assert_eq!(counts.code(), 0);
        counts.count(&verdict);
        assert_eq!(
            (counts.code(), counts.text()),
            (1, "same 1, only in A 0, only in B 0, different 1; ephemerals left out 1".into())
        );
        counts.count(&Verdict::Closed("no".into()));
        assert_eq!(counts.code(), 2);
    }
}
