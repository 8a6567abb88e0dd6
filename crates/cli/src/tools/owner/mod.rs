//! `zk owner PATH`: whose ephemeral a znode is, who that is, and through which server it is connected.
//!
//! The session says whose it is; who that is the servers know: by the admin command `owner` of ours, by `/commands/connections` or
//! the words `cons` and `dump` of Apache's, as far as they may be asked.

mod found;

use super::servers::members::Member;
use super::servers::sample::refusal;
use super::servers::survey::Way;
use super::servers::{Asking, ask, clients};
use crate::shell::failure::{FAILED, Failure};
use crate::shell::screen::Screen;
use crate::tools::kind::Kind;
use crate::tools::out::Output;
use crate::tools::session;
use clap::Args;
use client::Client;
use found::Found;
use futures::future::join_all;
use jiff::tz::TimeZone;
use std::process::ExitCode;
use wire::Stat;

const EXAMPLES: &str = "\
Examples:
  zk owner -s zk1:2181 /locks/leader
  zk owner /workers/w-0000000007 --output json

Exit code: 0 if it is an ephemeral, else 1.";

/// The arguments.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct OwnerArgs {
    #[command(flatten)]
    asking: Asking,
    /// The znode.
    path: String,
    /// Lines, or one JSON document.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
}

/// Runs the tool.
///
/// # Errors
/// When the arguments make no sense.
pub fn run(args: &OwnerArgs) -> anyhow::Result<ExitCode> {
    let screen = Screen::of_process();
    session::run(async {
        match look(args).await? {
            Ok(found) => {
                let text = match args.output {
                    Output::Json => format!("{:#}\n", found.json()),
                    Output::Text => found.text(&TimeZone::system(), jiff::Timestamp::now().as_millisecond()),
                };
                // Who does not read it to the end has read enough.
                let _ = screen.out(&text);
                Ok(ExitCode::SUCCESS)
            }
            Err(failure) => {
                screen.failure(&failure.text, failure.hint.as_deref());
                Ok(ExitCode::from(failure.code))
            }
        }
    })
}

async fn look(args: &OwnerArgs) -> anyhow::Result<Result<Found, Failure>> {
    let asking = &args.asking;
    let (client, _events) = asking.open().await?;
    let stat = match stat(args, &client).await {
        Ok(stat) => stat,
        Err(failure) => return Ok(Err(failure)),
    };
    let Kind::Ephemeral(session) = Kind::stored(stat.ephemeral_owner) else {
        client.close().await;
        // What else could end it servers do not tell.
        let text = format!("{} is no ephemeral: it does not go with a session", args.path);
        return Ok(Err(Failure::new(text)
            .hint(format!("`zkCli.sh -server {} stat {}` shows its Stat", asking.connection.server, args.path))));
    };
    let (members, notes) = asking.members(&client).await?;
    client.close().await;
    let mut found =
        Found { path: client.server_path(&args.path), session, ctime_ms: stat.ctime, notes, ..Found::default() };
    ask_servers(&mut found, &members.list, &asking.way(&members)).await;
    Ok(Ok(found))
}

async fn stat(args: &OwnerArgs, client: &Client) -> Result<Stat, Failure> {
    let hosts = &args.asking.connection.server;
    let patience = args.asking.session();
    match tokio::time::timeout(patience, client.exists(&args.path, false)).await {
        Err(_) => Err(Failure {
            text: format!("no session with {hosts} within {} ms", patience.as_millis()),
            hint: Some(format!("`zk ensemble -s {hosts}` shows what keeps the servers")),
            code: FAILED,
        }),
        Ok(Err(error)) => Err(Failure::of(&error, hosts)),
        Ok(Ok(None)) => Err(Failure::new(format!("Node does not exist: {}", args.path))
            .hint("an ephemeral is gone as soon as its session is; who held it is in the log: `zk log`")),
        Ok(Ok(Some(stat))) => Ok(stat),
    }
}

/// Asks all members at once, the better source first.
async fn ask_servers(found: &mut Found, members: &[Member], way: &Way) {
    let owner = format!("/commands/owner?path={}", ask::escaped(&found.path));
    let owner = &owner;
    let pages = members.iter().filter_map(|member| way.admin.of(member));
    let pages = pages.map(|address| async move {
        let page = ask::json(&address, owner, way.patience).await;
        page.ok().map(|page| (address, page))
    });
    for (address, page) in join_all(pages).await.into_iter().flatten() {
        found.take_page(&page, members, &format!("admin {address}"));
    }
    if found.client.is_some() {
        return;
    }
    let lists = join_all(members.iter().map(|member| connections(member, way))).await;
    for (member, (told, via)) in members.iter().zip(lists) {
        match told {
            Ok(list) => found.take_connections(&list, member, &via),
            Err(why) => found.notes.push(format!("{}: {why}", member.name())),
        }
    }
    if found.client.is_some() {
        return;
    }
    let dumps = members.iter().map(|member| ask::word(&member.address, "dump", way.patience));
    for dump in join_all(dumps).await.into_iter().flatten() {
        found.take_dump(&dump);
    }
}

/// The connections of a server: by its admin port, else by `cons`.
async fn connections(member: &Member, way: &Way) -> (Result<Vec<clients::Connection>, String>, String) {
    if let Some(address) = way.admin.of(member).filter(|_| !way.are_hosts_shared)
        && let Ok(page) = ask::json(&address, "/commands/connections", way.patience).await
        && page.get("connections").is_some()
    {
        return (Ok(clients::of_page(&page)), format!("admin {address}"));
    }
    let told = ask::word(&member.address, "cons", way.patience).await;
    (told.and_then(|text| answered(&text).map(|()| clients::of_cons(&text))), "cons".to_owned())
}

/// A server without any connection answers `cons` with an empty line.
fn answered(text: &str) -> Result<(), String> {
    if text == "\n" { Ok(()) } else { refusal(text) }
}
