//! `zk`: the tools beside Apache's shell, by the name `zk` or as `zookube-node zk`.

use crate::{log, shell, snapshot, tools};
use anyhow::{Context, bail};
use clap::{Args, CommandFactory, Parser, Subcommand};
use client::{Client, ConnectString, Event, Options};
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::sync::mpsc::UnboundedReceiver;
use wire::Zxid;

/// The longest answer to take, in bytes. Apache's client takes 1 MiB by default, and so cannot list what has many children.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Looks into ZooKeeper ensembles and data directories, ours or Apache's.
#[derive(Debug, Parser)]
#[command(name = "zk", version, disable_help_subcommand = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run Apache's shell: `zk cli -server host:port ls /`.
    #[command(disable_help_flag = true)]
    Cli {
        /// As those of `zkCli.sh`; `--help` shows them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Print the transactions of a log directory, one a line, and say how the log ends.
    Log {
        /// The directory with the `log.*` files (`<dataLogDir>/version-2`).
        dir: PathBuf,
        /// The first zxid to print.
        #[arg(long, value_parser = parse_zxid, default_value = "0")]
        from: Zxid,
        /// The last zxid to print.
        #[arg(long, value_parser = parse_zxid, default_value = "0x7fffffffffffffff")]
        upto: Zxid,
    },
    /// Check a snapshot and print its znodes, one a line, then what it holds in all.
    Snapshot {
        /// A `snapshot.*` file, or a directory: then its newest snapshot.
        path: PathBuf,
        /// Print the znodes, not only the sums.
        #[arg(long)]
        nodes: bool,
    },
    /// Show every member of an ensemble: role, zxid, lag, connections, and whether all is well.
    Ensemble(tools::ensemble::EnsembleArgs),
    /// Show whose ephemeral a znode is: session, client, server.
    Owner(tools::owner::OwnerArgs),
    /// Watch an ensemble live, on the whole screen: servers, clients, slow operations.
    Top(tools::top::TopArgs),
    /// Write a completion script for a shell.
    Completions(tools::completions::CompletionsArgs),
    /// Write man pages.
    Man(tools::completions::ManArgs),
    /// Show a subtree as a tree, with sizes.
    Tree(tools::tree::TreeArgs),
    /// Find the znodes of a subtree by name, data, type, size, age or owner.
    Find(tools::find::FindArgs),
    /// Write a subtree into a file.
    Export(tools::export::ExportArgs),
    /// Bring an export's znodes back, or elsewhere.
    Import(tools::import::ImportArgs),
    /// Copy a subtree, also to another ensemble.
    Cp(tools::cp::CpArgs),
    /// Compare two subtrees, or a subtree and an export.
    Diff(tools::diff::DiffArgs),
    /// Follow what happens to a znode or a subtree.
    Watch(tools::watch::WatchArgs),
}

/// The session of a tool.
#[derive(Debug, Clone, Args)]
pub struct Connection {
    /// The servers, with a chroot if need be: `host:port,host:port/chroot`.
    #[arg(short, long, env = "ZK_SERVER", default_value = "localhost:2181")]
    pub server: String,
    /// How long to wait for a server, and the session's timeout to ask for, ms.
    #[arg(long, default_value_t = 30_000, value_parser = clap::value_parser!(i32).range(1..))]
    pub timeout: i32,
    /// Who this client is: `digest:name:password`. May be given several times.
    #[arg(long, env = "ZK_AUTH", value_delimiter = ' ', value_name = "SCHEME:AUTH")]
    pub auth: Vec<String>,
}

impl Connection {
    /// Begins a session with `hosts`, be they these or others, and says who is asking; within a runtime.
    ///
    /// # Errors
    /// When the servers or the identities make no sense.
    pub async fn open(&self, hosts: &str) -> anyhow::Result<(Client, UnboundedReceiver<Event>)> {
        let expected = || format!("server {hosts:?}: expected host:port[,host:port...][/chroot]");
        let servers = ConnectString::parse(hosts).map_err(anyhow::Error::msg).with_context(expected)?;
        let options = Options { timeout_ms: self.timeout, read_only: true };
        let (client, events) = Client::start_with(servers, &options, ANSWER_BYTES_MAX);
        for identity in &self.auth {
            let (scheme, auth) =
                identity.split_once(':').context("--auth: expected SCHEME:AUTH, such as digest:name:password")?;
            client.add_auth(scheme, auth.as_bytes()).await;
        }
        Ok((client, events))
    }
}

/// Runs the tool that the arguments ask for; the first of them is the program's name.
#[must_use]
pub fn main(arguments: impl Iterator<Item = String>) -> ExitCode {
    main_beside(arguments, &[])
}

/// As [`main`], in a program that has others beside this one, for which there are completions and man pages, too.
#[must_use]
pub fn main_beside(arguments: impl Iterator<Item = String>, others: &[fn() -> clap::Command]) -> ExitCode {
    match run(Arguments::parse_from(arguments).command, others) {
        Ok(code) => code,
        Err(error) => {
            shell::screen::Screen::of_process().failure(&format!("{error:#}"), None);
            ExitCode::from(shell::failure::FAILED)
        }
    }
}

fn run(command: Command, others: &[fn() -> clap::Command]) -> anyhow::Result<ExitCode> {
    let programs = || [Arguments::command()].into_iter().chain(others.iter().map(|other| other())).collect::<Vec<_>>();
    let mut out = std::io::stdout();
    match command {
        Command::Cli { arguments } => return Ok(shell::main(arguments.into_iter())),
        Command::Log { dir, from, upto } => log::print(&dir, from, upto, &mut out)?,
        Command::Snapshot { path, nodes } => snapshot::print(&path, nodes, &mut out)?,
        Command::Ensemble(args) => return tools::ensemble::run(&args),
        Command::Owner(args) => return tools::owner::run(&args),
        Command::Top(args) => return tools::top::run(&args),
        Command::Completions(args) => return tools::completions::complete(&args, &programs()),
        Command::Man(args) => return tools::completions::man(&args, &programs()),
        Command::Tree(args) => return tools::tree::run(args),
        Command::Find(args) => return tools::find::run(args),
        Command::Export(args) => return tools::export::run(args),
        Command::Import(args) => return tools::import::run(args),
        Command::Cp(args) => return tools::cp::run(args),
        Command::Diff(args) => return tools::diff::run(args),
        Command::Watch(args) => return tools::watch::run(args),
    }
    Ok(ExitCode::SUCCESS)
}

/// A zxid as logs and file names write it: hexadecimal with or without `0x`.
fn parse_zxid(text: &str) -> anyhow::Result<Zxid> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let value = u64::from_str_radix(digits, 16).with_context(|| format!("`{text}` is not a hexadecimal zxid"))?;
    if value > i64::MAX as u64 {
        bail!("`{text}` is above the largest zxid");
    }
    Ok(Zxid(value as i64))
}
