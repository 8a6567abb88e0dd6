//! `zk tree`: a subtree as a tree, with sizes.

use super::frontier::Place;
use super::kind::{Kind, TypesFrom};
use super::out::{Out, Output, Progress, bytes, count};
use super::session::{self, Session};
use super::walk::{Outline, Walk, fetch_outline};
use crate::path::{self, printable};
use crate::shell::screen::Paint;
use crate::zk::Connection;
use clap::Args;
use serde_json::json;
use std::process::ExitCode;

/// What `zk tree` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
The tree is written while it is read. With --sizes it is read to its end before, because a sum stands in front of what it sums.

Examples:
  zk tree /app
  zk tree --depth 2 --sizes            where the znodes and the bytes are
  zk tree --output json /app | jq -r 'select(.dataBytes > 100000).path'")]
pub struct TreeArgs {
    #[command(flatten)]
    connection: Connection,
    /// Where to begin.
    #[arg(default_value = "/", value_parser = path::typed)]
    path: String,
    /// How many levels below PATH to show.
    #[arg(long, value_name = "N")]
    depth: Option<usize>,
    /// Sum up each subtree, whatever --depth shows of it.
    #[arg(long)]
    sizes: bool,
    /// Draw with plain ASCII, as it is done where the output is no terminal or the locale not UTF-8.
    #[arg(long)]
    ascii: bool,
    #[command(flatten)]
    types: TypesFrom,
    /// How to write.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Sums of a subtree, its root included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    znodes: u64,
    bytes: u64,
    ephemerals: u64,
    closed: u64,
}

impl Sums {
    fn of(outline: &Outline) -> Sums {
        Sums {
            znodes: 1,
            bytes: data_bytes(outline),
            ephemerals: u64::from(outline.stat.ephemeral_owner != 0),
            closed: u64::from(!outline.is_open),
        }
    }

    fn add(&mut self, other: Sums) {
        self.znodes += other.znodes;
        self.bytes += other.bytes;
        self.ephemerals += other.ephemerals;
        self.closed += other.closed;
    }

    /// The last line.
    fn text(self) -> String {
        let mut text = format!("{}, {}", count(self.znodes, "znode"), bytes(self.bytes));
        if self.ephemerals > 0 {
            text += &format!(", {}", count(self.ephemerals, "ephemeral"));
        }
        if self.closed > 0 {
            text += &format!(", {} not readable", self.closed);
        }
        text
    }
}

fn data_bytes(outline: &Outline) -> u64 {
    u64::try_from(outline.stat.data_length).unwrap_or_default()
}

/// Adds up subtrees: for each of the znodes in order, the sums of it and all below.
#[must_use]
pub fn subtree_sums(nodes: &[(Place, Outline)]) -> Vec<Sums> {
    let mut sums: Vec<Sums> = nodes.iter().map(|(_, outline)| Sums::of(outline)).collect();
    // Places whose subtrees are not over, the root first; one for each depth.
    let mut open: Vec<usize> = Vec::new();
    let mut close = |open: &mut Vec<usize>, depth: usize| {
        while open.len() > depth {
            let Some(done) = open.pop() else { return };
            if let Some(&above) = open.last() {
                let below = sums[done];
                sums[above].add(below);
            }
        }
    };
    for (index, (place, _)) in nodes.iter().enumerate() {
        close(&mut open, place.depth);
        open.push(index);
    }
    close(&mut open, 0);
    sums
}

/// The lines in front of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strokes {
    /// For terminals.
    Boxes,
    /// For everything else.
    Ascii,
}

/// Draws lines in front of names, in order.
#[derive(Debug)]
pub struct Drawing {
    strokes: Strokes,
    /// For each level above, whether more follows there.
    continues: Vec<bool>,
}

impl Drawing {
    /// An empty one.
    #[must_use]
    pub fn new(strokes: Strokes) -> Drawing {
        Drawing { strokes, continues: Vec::new() }
    }

    /// What stands in front of the next place.
    pub fn front(&mut self, place: &Place) -> String {
        let (bar, branch, last) = match self.strokes {
            Strokes::Boxes => ("│   ", "├── ", "└── "),
            Strokes::Ascii => ("|   ", "|-- ", "`-- "),
        };
        let Some(above) = place.depth.checked_sub(1) else { return String::new() };
        self.continues.truncate(above);
        let mut front: String = self.continues.iter().map(|continues| if *continues { bar } else { "    " }).collect();
        front += if place.is_last { last } else { branch };
        self.continues.push(!place.is_last);
        front
    }
}

/// What stands behind a name: size, children, and what it is if it is not simply persistent.
#[must_use]
pub fn details(outline: &Outline, sums: Option<Sums>) -> String {
    if outline.stat.czxid == 0 && !outline.is_open {
        return "?".to_owned();
    }
    let mut text = bytes(data_bytes(outline));
    if outline.stat.num_children > 0 {
        text += &format!(", {}", count(u64::try_from(outline.stat.num_children).unwrap_or_default(), "child"));
    }
    if let Some(sums) = sums.filter(|sums| sums.znodes > 1) {
        text += &format!(" (in all {}, {})", count(sums.znodes, "znode"), bytes(sums.bytes));
    }
    text
}

fn document(place: &Place, outline: &Outline, sums: Option<Sums>) -> String {
    let mut value = json!({
        "path": place.path,
        "dataBytes": outline.stat.data_length,
        "children": outline.stat.num_children,
        "type": outline.kind.map_or("persistent", Kind::word),
        "readable": outline.is_open,
    });
    match outline.kind {
        Some(Kind::Ephemeral(session)) => value["owner"] = json!(format!("0x{session:x}")),
        Some(Kind::Ttl(ms)) => value["ttlMs"] = json!(ms),
        Some(Kind::Persistent | Kind::Container) | None => {}
    }
    if let Some(sums) = sums {
        value["subtree"] = json!({"znodes": sums.znodes, "dataBytes": sums.bytes, "ephemerals": sums.ephemerals});
    }
    value.to_string()
}

/// Whether an environment's locale writes UTF-8 (`LC_ALL`, `LC_CTYPE`, `LANG`: the first that is set).
#[must_use]
pub fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &&str| variable(name).filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set).unwrap_or_default().to_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// Writes znodes in order.
struct Writer {
    out: Out,
    output: Output,
    drawing: Drawing,
}

impl Writer {
    fn write(&mut self, place: &Place, outline: &Outline, sums: Option<Sums>) -> std::io::Result<()> {
        if self.output == Output::Json {
            return self.out.line(&document(place, outline, sums));
        }
        let front = self.drawing.front(place);
        let name = if place.depth == 0 { place.path.as_str() } else { path::name(&place.path) };
        let mut line = format!("{front}{}  {}", printable(name), self.out.paint(Paint::Dim, &details(outline, sums)));
        match outline.kind {
            None | Some(Kind::Persistent) => {}
            Some(kind) => line += &format!("  {}", self.out.paint(Paint::Yellow, &kind.to_string())),
        }
        if !outline.is_open {
            line += &format!("  {}", self.out.paint(Paint::Red, "not readable"));
        }
        self.out.line(&line)
    }
}

/// Runs `zk tree`.
///
/// # Errors
/// When there is no such path, no server, or nobody to write to.
pub fn run(args: TreeArgs) -> anyhow::Result<ExitCode> {
    session::run(async move {
        let (session, _events) = Session::open(&args.connection, None).await?;
        let session = session.with_types(&args.types)?;
        let out = Out::of_process();
        let is_plain = args.ascii || !out.is_terminal() || !is_utf8(|name| std::env::var(name).ok());
        let strokes = if is_plain { Strokes::Ascii } else { Strokes::Boxes };
        let mut writer = Writer { out, output: args.output, drawing: Drawing::new(strokes) };
        let shown = args.depth.unwrap_or(usize::MAX);
        let total = if args.sizes {
            walk_twice(&session, &args.path, shown, &mut writer).await?
        } else {
            walk_once(&session, &args.path, shown, &mut writer).await?
        };
        if args.output == Output::Text {
            writer.out.line(&total.text())?;
        }
        writer.out.flush()?;
        session.client.close().await;
        Ok(ExitCode::SUCCESS)
    })
}

async fn walk_once(session: &Session, root: &str, shown: usize, writer: &mut Writer) -> anyhow::Result<Sums> {
    let mut walk = Walk::new(root, |place| fetch_outline(session.clone(), place, shown));
    let mut total = Sums::default();
    while let Some((place, outline)) = walk.next().await.map_err(|error| session.failure(&error))? {
        total.add(Sums::of(&outline));
        writer.write(&place, &outline, None)?;
    }
    found(session, root, total)
}

async fn walk_twice(session: &Session, root: &str, shown: usize, writer: &mut Writer) -> anyhow::Result<Sums> {
    let mut walk = Walk::new(root, |place| fetch_outline(session.clone(), place, usize::MAX));
    let progress = Progress::new("reading", None);
    let mut nodes = Vec::new();
    while let Some(node) = walk.next().await.map_err(|error| session.failure(&error))? {
        nodes.push(node);
        progress.step();
    }
    progress.end();
    let sums = subtree_sums(&nodes);
    for ((place, outline), sums) in nodes.iter().zip(&sums) {
        if place.depth <= shown {
            writer.write(place, outline, Some(*sums))?;
        }
    }
    found(session, root, sums.first().copied().unwrap_or_default())
}

/// Nothing at all means that there is no root.
fn found(session: &Session, root: &str, total: Sums) -> anyhow::Result<Sums> {
    anyhow::ensure!(total.znodes > 0, "{root}: there is no such znode on {}", session.hosts());
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Stat;

    fn node(path: &str, depth: usize, is_last: bool, bytes: i32) -> (Place, Outline) {
        let stat = Stat { data_length: bytes, ..Stat::default() };
        (Place { path: path.to_owned(), depth, is_last }, Outline { stat, kind: None, is_open: true })
    }

    fn tree() -> Vec<(Place, Outline)> {
        vec![
            node("/", 0, true, 1),
            node("/a", 1, false, 10),
            node("/a/x", 2, false, 100),
            node("/a/x/y", 3, true, 1000),
            node("/a/z", 2, true, 5),
            node("/b", 1, true, 2),
        ]
    }

    #[test]
    fn subtrees_are_summed() {
        let sums: Vec<(u64, u64)> = subtree_sums(&tree()).iter().map(|sums| (sums.znodes, sums.bytes)).collect();
        assert_eq!(sums, [(6, 1118), (4, 1115), (2, 1100), (1, 1000), (1, 5), (1, 2)]);
        assert_eq!(subtree_sums(&[]), []);
    }

    #[test]
    fn lines_are_drawn() {
        let draw = |strokes| {
            let mut drawing = Drawing::new(strokes);
            let line = |(place, _): &(Place, Outline)| drawing.front(place) + path::name(&place.path);
            tree().iter().map(line).collect::<Vec<_>>()
        };
        assert_eq!(draw(Strokes::Boxes), ["", "├── a", "│   ├── x", "│   │   └── y", "│   └── z", "└── b"]);
        assert_eq!(draw(Strokes::Ascii), ["", "|-- a", "|   |-- x", "|   |   `-- y", "|   `-- z", "`-- b"]);
    }

    #[test]
    fn details_tell_sizes_and_children() {
        let mut outline = node("/a", 1, true, 2048).1;
        assert_eq!(details(&outline, None), "2.0 KiB");
        outline.stat.num_children = 1;
        let sums = Sums { znodes: 2, bytes: 2049, ..Sums::default() };
        assert_eq!(details(&outline, Some(sums)), "2.0 KiB, 1 child (in all 2 znodes, 2.0 KiB)");
        assert_eq!(details(&Outline { stat: Stat::default(), kind: None, is_open: false }, None), "?");
        let all = Sums { znodes: 3, bytes: 7, ephemerals: 1, closed: 2 };
        assert_eq!(all.text(), "3 znodes, 7 B, 1 ephemeral, 2 not readable");
    }

    #[test]
    fn documents_tell_types() {
        let (place, mut outline) = node("/a", 1, true, 7);
        outline.kind = Some(Kind::Ephemeral(0x1234));
        let value: serde_json::Value = serde_json::from_str(&document(&place, &outline, None)).unwrap();
        let expected = json!({
            "path": "/a", "dataBytes": 7, "children": 0, "type": "ephemeral", "readable": true, "owner": "0x1234"
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn the_first_variable_that_is_set_decides() {
        let locale = |pairs: &[(&str, &str)]| {
            is_utf8(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(locale(&[("LC_ALL", ""), ("LANG", "de_DE.UTF-8")]));
        assert!(locale(&[("LC_CTYPE", "C.utf8"), ("LANG", "C")]));
        assert!(!locale(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]));
        assert!(!locale(&[]));
    }
}
