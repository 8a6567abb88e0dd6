//! `zk cp`: a subtree to another place, of the same ensemble or another.

use super::copy::{Copier, Target, refuse_itself, total};
use super::kind::TypesFrom;
use super::out::Output;
use super::place::Location;
use super::plan::Policy;
use super::session::{self, Session};
use super::source::{Source, Tree};
use crate::shell::failure::FAILED;
use crate::zk::Connection;
use clap::Args;
use std::process::ExitCode;

/// What `zk cp` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Data, ACLs and, with --types, containers and times to live are copied; ephemerals are left out, and what is below /zookeeper unless
SRC is there. What is there already and the same is skipped, so a copy that was interrupted is simply run again.
Exit code: 0; 1 if something differs and was left, or could not be read or written.

Examples:
  zk cp /app /app-2
  zk cp old1:2181,old2:2181/app new1:2181/app --dry-run
  zk cp old1:2181/app new1:2181/app --overwrite --delete    make it a mirror")]
pub struct CpArgs {
    #[command(flatten)]
    connection: Connection,
    /// A path on --from-server, or `host:port,host:port/path`.
    #[arg(value_name = "SRC", value_parser = Location::parse_tree)]
    source: Location,
    /// A path on --to-server, or `host:port,host:port/path`.
    #[arg(value_name = "DST", value_parser = Location::parse_tree)]
    target: Location,
    /// The servers of a SRC that is a path; those of --server if there are none.
    #[arg(long, value_name = "S")]
    from_server: Option<String>,
    /// The servers of a DST that is a path; those of --server if there are none.
    #[arg(long, value_name = "S")]
    to_server: Option<String>,
    #[command(flatten)]
    policy: Policy,
    /// Make the znodes above DST that are missing.
    #[arg(long)]
    parents: bool,
    #[command(flatten)]
    types: TypesFrom,
    /// How to write.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Runs `zk cp`.
///
/// # Errors
/// When there is no such path, a server is missing, or the copy would never end.
pub fn run(args: CpArgs) -> anyhow::Result<ExitCode> {
    session::run(async move {
        let (from, source) = args.source.of_tree(args.from_server.as_deref())?;
        let (to, target) = args.target.of_tree(args.to_server.as_deref())?;
        let (from, _events) = Session::open(&args.connection, from).await?;
        let from = from.with_types(&args.types)?;
        let (to, _events_there) = Session::open(&args.connection, to).await?;
        let target = Target { session: to, root: target.to_owned() };
        refuse_itself(&from, source, &target).await?;
        let root = from.ask(async |client| client.exists(source, false).await).await;
        let is_there = root.map_err(|error| from.failure(&error))?.is_some();
        anyhow::ensure!(is_there, "{source}: there is no such znode on {}", from.hosts());
        target.prepare(args.parents && !args.policy.dry_run).await?;
        let tree = Source::Tree(Tree::new(&from, source, None));
        let total = total(&from, source).await;
        let tally = Copier::new(&target, args.policy, args.output, total).run(tree).await?;
        from.client.close().await;
        target.session.client.close().await;
        Ok(if tally.is_success() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
    })
}
