//! `zk export`: a subtree into a file (docs/zk-export.md).

use super::dump::{DumpError, DumpReader, DumpWriter, End, Head, Sums};
use super::kind::TypesFrom;
use super::node::Item;
use super::out::{Progress, bytes, count};
use super::session::{self, Session};
use super::source::{STREAM, Tree, lines};
use crate::path;
use crate::shell::failure::FAILED;
use crate::shell::screen::Screen;
use crate::zk::Connection;
use anyhow::{Context, bail};
use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

/// So many bytes of lines are written before the file gets them for sure: what an interruption may cost.
const FLUSH_BYTES: usize = 1 << 20;

/// What `zk export` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Ephemerals are left out, and znodes below /zookeeper unless PATH is there. An export that was interrupted goes on where its file ends.
Exit code: 0; 1 if something could not be read (it is named on standard error, and the rest is in the file).

Examples:
  zk export /app app.jsonl.gz
  zk export / all.jsonl.gz --types /var/lib/zookeeper/version-2    with containers and times to live
  zk export /app - | ssh elsewhere zk import - /app")]
pub struct ExportArgs {
    #[command(flatten)]
    connection: Connection,
    /// The subtree.
    #[arg(value_parser = path::typed)]
    path: String,
    /// The file, compressed if its name ends with .gz; - for standard output.
    file: String,
    #[command(flatten)]
    types: TypesFrom,
}

/// A file that is being written.
trait Sink: Write {
    /// The last bytes are in the file.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

impl Sink for BufWriter<File> {
    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.flush()?;
        self.get_ref().sync_all()
    }
}

impl Sink for GzEncoder<BufWriter<File>> {
    fn finish(self: Box<Self>) -> io::Result<()> {
        Sink::finish(Box::new((*self).finish()?))
    }
}

impl Sink for BufWriter<io::Stdout> {
    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.flush()
    }
}

/// What is there of an interrupted export.
struct Begun {
    root: String,
    types: bool,
    last: Option<String>,
    bytes: u64,
    sums: Sums,
}

type Writer = DumpWriter<Box<dyn Sink>>;

/// Runs `zk export`.
///
/// # Errors
/// When there is no such path, no server, or the file cannot be written.
pub fn run(args: ExportArgs) -> anyhow::Result<ExitCode> {
    session::run(async move {
        let begun = if args.file == STREAM { None } else { begun(&args.file)? };
        let (session, _events) = Session::open(&args.connection, None).await?;
        let session = session.with_types(&args.types)?;
        if let Some(begun) = &begun {
            check_begun(&args, begun, &session)?;
        }
        // A server may lag behind; one without a quorum cannot catch up, and is read as it is.
        let _ = session.ask(async |client| client.sync(&args.path).await).await;
        let root = session.ask(async |client| client.exists(&args.path, false).await).await;
        if root.map_err(|error| session.failure(&error))?.is_none() {
            bail!("{}: there is no such znode on {}", args.path, session.hosts());
        }
        let total = super::copy::total(&session, &args.path).await;
        let known = begun.as_ref().map_or(0, |begun| begun.sums.count);
        let known_closed = begun.as_ref().map_or(0, |begun| begun.sums.closed);
        let progress = Progress::new("exporting", total.map(|total| total.saturating_sub(known)));
        let last = begun.as_ref().and_then(|begun| begun.last.clone());
        let resumed = begun.is_some();
        let writer = match begun {
            Some(begun) => go_on(&args.file, begun).with_context(|| format!("go on with {}", args.file))?,
            None => begin(&args, &session).with_context(|| format!("write {}", args.file))?,
        };
        let mut end = write(Tree::new(&session, &args.path, last), writer, &progress, (&args, resumed)).await?;
        end.closed += known_closed;
        session.client.close().await;
        progress.end();
        if args.file != STREAM || end.closed > 0 {
            Screen::of_process().err(&format!("{}\n", summary(&args.file, end, known)));
        }
        Ok(if end.closed == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
    })
}

async fn write(
    mut tree: Tree,
    mut writer: Writer,
    progress: &Progress,
    (args, resumed): (&ExportArgs, bool),
) -> anyhow::Result<End> {
    let context = || format!("write {}", args.file);
    let (mut end, mut unflushed) = (End { resumed, ..End::default() }, 0);
    while let Some(item) = tree.next().await? {
        progress.step();
        match item {
            Item::Node(node) => {
                end.count += 1;
                unflushed += writer.node(&node).with_context(context)?;
            }
            Item::Ephemeral { .. } => end.ephemerals += 1,
            Item::Closed { path, reason } => {
                end.closed += 1;
                writer.closed(&path).with_context(context)?;
                progress
                    .say(&format!("{}: not exported, nor what is below it: {reason}", path::below(&args.path, &path)));
            }
        }
        if unflushed > FLUSH_BYTES {
            writer.flush().with_context(context)?;
            unflushed = 0;
        }
    }
    writer.end(end).and_then(Sink::finish).with_context(context)?;
    Ok(end)
}

fn summary(file: &str, end: End, known: u64) -> String {
    let size = std::fs::metadata(file).map(|file| format!(", {}", bytes(file.len()))).unwrap_or_default();
    let mut text = format!("{file}: {}{size}", count(end.count + known, "znode"));
    if end.resumed {
        text += &format!(", {known} of them from before it was interrupted");
    }
    if end.ephemerals > 0 {
        text += &format!("; {} left out", count(end.ephemerals, "ephemeral"));
    }
    if end.closed > 0 {
        text += &format!("; {} not readable", end.closed);
    }
    text
}

fn is_gz(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|extension| extension == "gz")
}

fn sink(file: &str, out: File) -> Box<dyn Sink> {
    let out = BufWriter::new(out);
    if is_gz(file) { Box::new(GzEncoder::new(out, Compression::default())) } else { Box::new(out) }
}

fn begin(args: &ExportArgs, session: &Session) -> io::Result<Writer> {
    let out: Box<dyn Sink> = if args.file == STREAM {
        Box::new(BufWriter::new(io::stdout()))
    } else {
        sink(&args.file, File::create(&args.file)?)
    };
    let head = Head {
        root: args.path.clone(),
        time: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        zxid: session.client.last_zxid(),
        types: session.has_types(),
    };
    DumpWriter::begin(out, &head)
}

/// Reads what is in a file; `None` if there is nothing.
fn begun(name: &str) -> anyhow::Result<Option<Begun>> {
    let file = match File::open(name) {
        Ok(file) if file.metadata().with_context(|| format!("read {name}"))?.len() > 0 => file,
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("open {name}")),
    };
    let other = |error: &DumpError| {
        anyhow::anyhow!("{name} is there and cannot be gone on with: {error}; or name another file")
    };
    let mut reader = DumpReader::begin(lines(file)?).map_err(|error| other(&error))?;
    loop {
        match reader.next_item() {
            Ok(Some(_)) => {}
            Ok(None) => bail!(
                "{name} is a complete export of {} at {}; remove it, or name another file",
                reader.head.root,
                reader.head.time
            ),
            Err(error) if error.is_cut => break,
            Err(error) => return Err(other(&error)),
        }
    }
    let (last, bytes, sums) = reader.progress();
    let Head { root, types, .. } = reader.head.clone();
    Ok(Some(Begun { root, types, last: last.map(str::to_owned), bytes, sums }))
}

fn check_begun(args: &ExportArgs, begun: &Begun, session: &Session) -> anyhow::Result<()> {
    if begun.root != args.path {
        bail!(
            "{} has the beginning of an export of {}, not of {}; remove it, or name another file",
            args.file,
            begun.root,
            args.path
        );
    }
    if begun.types != session.has_types() {
        let (was, is) = if begun.types { ("with", "without") } else { ("without", "with") };
        bail!("{} was begun {was} --types, and cannot go on {is}; remove it, or name another file", args.file);
    }
    Ok(())
}

/// Opens an interrupted export behind its last whole line.
fn go_on(name: &str, begun: Begun) -> io::Result<Writer> {
    let out: Box<dyn Sink> = if is_gz(name) {
        // A compressed file cannot be cut between two lines: it is written anew up to there, and takes the old one's place.
        let part = format!("{name}.part");
        let mut out = GzEncoder::new(BufWriter::new(File::create(&part)?), Compression::default());
        io::copy(&mut io::Read::take(lines(File::open(name)?)?, begun.bytes), &mut out)?;
        out.flush()?;
        std::fs::rename(&part, name)?;
        Box::new(out)
    } else {
        let file = File::options().append(true).open(name)?;
        file.set_len(begun.bytes)?;
        sink(name, file)
    };
    Ok(DumpWriter::go_on(out, begun.sums))
}
