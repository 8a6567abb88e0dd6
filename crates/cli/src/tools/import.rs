//! `zk import`: an export's znodes into an ensemble (docs/zk-export.md).

use super::copy::{Copier, Target};
use super::out::Output;
use super::plan::Policy;
use super::session::{self, Session};
use super::source::{self, Dump, Source};
use crate::path;
use crate::shell::failure::FAILED;
use crate::zk::Connection;
use anyhow::Context;
use clap::Args;
use std::process::ExitCode;

/// What `zk import` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
The file is checked to its end before anything is written. What is there already and the same is skipped, so an import that was
interrupted is simply run again.
Exit code: 0; 1 if something differs and was left, or could not be read or written.

Examples:
  zk import app.jsonl.gz /app --dry-run
  zk import app.jsonl.gz /app --overwrite --delete    make /app what it was
  zk import app.jsonl.gz /restored/app --parents")]
pub struct ImportArgs {
    #[command(flatten)]
    connection: Connection,
    /// The file that `zk export` wrote; - for standard input.
    file: String,
    /// Where the exported subtree goes.
    #[arg(value_parser = path::typed)]
    path: String,
    #[command(flatten)]
    policy: Policy,
    /// Make the znodes above PATH that are missing.
    #[arg(long)]
    parents: bool,
    /// How to write.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Runs `zk import`.
///
/// # Errors
/// When the file is damaged, there is no server, or it is lost for too long.
pub fn run(args: ImportArgs) -> anyhow::Result<ExitCode> {
    session::run(async move {
        let file = source::open(&args.file)?;
        let mut dump = Dump::of(&args.file, file.try_clone().with_context(|| format!("read {}", args.file))?)?;
        while dump.next_item()?.is_some() {}
        let total = dump.reader().end().map(|end| end.count);
        let (session, _events) = Session::open(&args.connection, None).await?;
        let target = Target { session, root: args.path };
        target.prepare(args.parents && !args.policy.dry_run).await?;
        let source = Source::Dump(Dump::of(&args.file, file)?);
        let tally = Copier::new(&target, args.policy, args.output, total).run(source).await?;
        target.session.client.close().await;
        Ok(if tally.is_success() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
    })
}
