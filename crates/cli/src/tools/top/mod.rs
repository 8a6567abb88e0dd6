//! `zk top`: an ensemble, live, on the whole screen.
//!
//! ```text
//!   poller of each server --(bounded)--> Model --> view --> terminal, or one frame as text
//!   keys, signals, ticks  -------------^
//! ```
//! [`model`], [`view`] and [`grid`] are pure. `poll` asks each server by itself, so that a dead one delays nobody; `screen` owns the
//! terminal, and gives it back however this ends.

pub mod grid;
pub mod model;
mod poll;
mod screen;
pub mod view;

use super::servers::Asking;
use super::session;
use clap::Args;
use jiff::tz::TimeZone;
use model::{Model, View};
use poll::Pollers;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

const EXAMPLES: &str = "\
Keys: 1 2 3 or left right: servers, clients, slow operations; s sort; p pause; ? help; q quit.

Examples:
  zk top -s zk1:2181,zk2:2181,zk3:2181
  zk top --interval 5 --view clients
  zk top --once --view slow > slow.txt";

/// How many columns a frame has that goes to no terminal.
const COLUMNS_DEFAULT: usize = 160;

/// The arguments.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct TopArgs {
    #[command(flatten)]
    asking: Asking,
    /// How often each server is asked, s.
    #[arg(short, long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    interval: Duration,
    /// Print one frame as text, after two looks at each server, and end.
    #[arg(long)]
    once: bool,
    /// What to look at first.
    #[arg(long, value_enum, default_value = "servers")]
    view: View,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?}: expected seconds from 0.1 to 3600");
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    if (0.1..=3600.0).contains(&seconds) { Ok(Duration::from_secs_f64(seconds)) } else { Err(wrong()) }
}

/// Runs the tool.
///
/// # Errors
/// When the arguments make no sense, or the terminal fails.
pub fn run(args: &TopArgs) -> anyhow::Result<ExitCode> {
    if !args.once && !std::io::stdout().is_terminal() {
        anyhow::bail!("zk top: standard output is no terminal\nhint: --once prints one frame as text");
    }
    session::run(async {
        let mut pollers = Pollers::start(&args.asking, args.interval, args.view).await?;
        if args.once {
            once(args, &mut pollers).await?;
        } else {
            screen::live(&mut pollers, args.interval, args.view).await?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Waits until every server was asked twice, or did not answer.
async fn once(args: &TopArgs, pollers: &mut Pollers) -> anyhow::Result<()> {
    let mut model = Model::new(args.view);
    let mut asked = std::collections::BTreeMap::new();
    let mut count = 0;
    loop {
        match pollers.next().await {
            poll::News::Members(members) => {
                count = members.list.len();
                model.take_members(&members.list, members.is_weighted);
            }
            poll::News::Told { at_ms, member, told } => {
                *asked.entry(member.name()).or_insert(0) += if told.is_ok() { 1 } else { 2 };
                model.take(at_ms, &member, *told);
            }
        }
        if asked.len() >= count && asked.values().all(|times| *times >= 2) {
            break;
        }
    }
    model.tick();
    let width = crossterm::terminal::size().ok().filter(|_| std::io::stdout().is_terminal());
    let width = width.map_or(COLUMNS_DEFAULT, |(columns, _)| usize::from(columns));
    let (head, body) = view::page(&model, &TimeZone::system(), width);
    let text: String = head.iter().chain(&body).map(|line| format!("{}\n", line.to_string().trim_end())).collect();
    // Who does not read it to the end has read enough.
    let _ = crate::shell::screen::Screen::of_process().out(&text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_have_bounds() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["", "0", "nan", "-1", "4000", "2s"] {
            assert!(seconds(wrong).unwrap_err().contains("expected seconds"), "{wrong}");
        }
    }
}
