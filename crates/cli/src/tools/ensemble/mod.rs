//! `zk ensemble`: every member, what it does and how far behind it is, and whether the ensemble is well.

mod show;
pub mod verdict;

use super::servers::members::Members;
use super::servers::survey::{Way, Wish, survey};
use super::servers::{self, Asking};
use crate::shell::screen::Screen;
use crate::tools::out::Output;
use crate::tools::session;
use clap::Args;
use futures::future::join_all;
use std::process::ExitCode;
use std::time::Duration;
use verdict::{Row, Verdict};

const EXAMPLES: &str = "\
Examples:
  zk ensemble -s zk1:2181,zk2:2181,zk3:2181
  zk ensemble --output json | jq -r '.servers[] | select(.role == \"leader\").address'
  zk ensemble --watch 2
  zk ensemble --admin-port 1=8081,2=8082,3=8083    # several servers on one machine

Exit code: 0 if there is a leader with a quorum and no member is missing, else 1.";

/// The arguments.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct EnsembleArgs {
    #[command(flatten)]
    asking: Asking,
    /// A table, or one JSON document (with --watch one a line).
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
    /// Show it again after so many seconds, until interrupted.
    #[arg(short, long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    watch: Option<u64>,
}

/// Runs the tool.
///
/// # Errors
/// When the arguments make no sense. That a server does not answer is none: it is shown.
pub fn run(args: &EnsembleArgs) -> anyhow::Result<ExitCode> {
    session::run(look(args))
}

async fn look(args: &EnsembleArgs) -> anyhow::Result<ExitCode> {
    let screen = Screen::of_process();
    let (client, _events) = args.asking.open().await?;
    let verdict = loop {
        // Anew each time: a reconfiguration may have changed who they are.
        let (members, notes) = args.asking.members(&client).await?;
        let rows = ask_all(&members, &args.asking.way(&members)).await;
        let verdict = Verdict::of(&rows, members.is_weighted);
        let text = match args.output {
            Output::Json if args.watch.is_some() => format!("{}\n", show::json(&rows, &verdict, &members, &notes)),
            Output::Json => format!("{:#}\n", show::json(&rows, &verdict, &members, &notes)),
            Output::Text => show::text(&rows, &verdict, &members, &notes, servers::has_colours()),
        };
        let is_read = screen.out(&(beginning(args) + &text));
        match args.watch.filter(|_| is_read) {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => break verdict,
        }
    };
    client.close().await;
    Ok(if verdict.is_well() { ExitCode::SUCCESS } else { ExitCode::from(crate::shell::failure::FAILED) })
}

/// With `--watch` on a terminal, each table takes the place of the one before.
fn beginning(args: &EnsembleArgs) -> String {
    let is_live = args.watch.is_some() && args.output == Output::Text;
    let clear = if servers::has_colours() { "\x1b[H\x1b[2J" } else { "" };
    if is_live { clear.to_owned() } else { String::new() }
}

async fn ask_all(members: &Members, way: &Way) -> Vec<Row> {
    let wish = Wish { clients: false, slow: false, metrics: true };
    let all = members
        .list
        .iter()
        .map(|member| async move { Row { member: member.clone(), sample: survey(member, way, wish).await } });
    join_all(all).await
}
