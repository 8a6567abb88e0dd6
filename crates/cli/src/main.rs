//! `zk`: looks into ZooKeeper data directories without a running server, ours or Apache's.

#![allow(clippy::print_stdout)] // Printing is what these commands are for.

mod log;
mod snapshot;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use wire::Zxid;

/// Looks into ZooKeeper data directories.
#[derive(Debug, Parser)]
#[command(name = "zk", version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints the transactions of a log directory, one a line, and says how the log ends.
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
    /// Checks a snapshot and prints its znodes, one a line, then what it holds in all.
    Snapshot {
        /// A `snapshot.*` file, or a directory: then its newest snapshot.
        path: PathBuf,
        /// Print the znodes, not only the sums.
        #[arg(long)]
        nodes: bool,
    },
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

fn main() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match Arguments::parse().command {
        Command::Log { dir, from, upto } => log::print(&dir, from, upto, &mut out),
        Command::Snapshot { path, nodes } => snapshot::print(&path, nodes, &mut out),
    }
}
