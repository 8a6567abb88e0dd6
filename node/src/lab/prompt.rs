//! What is typed at the prompt, or read from a pipe: text in, command out. Pure.

/// Lines of a log that are shown when no number is given.
const LOG_LINES: usize = 20;
/// The most lines that are shown.
const LOG_LINES_MAX: usize = 1000;
/// A word with more typing errors is not guessed at.
const TYPOS_MAX: usize = 2;

/// Which servers a command means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The one with this id.
    Id(u64),
    /// The one that leads now.
    Leader,
    /// Every one.
    All,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// SIGKILL.
    Kill(Target),
    /// SIGTERM.
    Stop(Target),
    /// Start what is down.
    Start(Target),
    /// SIGTERM, then start.
    Restart(Target),
    /// Show the table once.
    Status,
    /// Who leads.
    Leader,
    /// The last lines of a server's output.
    Log(Target, usize),
    /// Hold further commands until every running server serves.
    Wait,
    /// What can be typed.
    Help,
    /// Stop all and end.
    Quit,
}

/// The names of all commands, for completion and suggestions.
const NAMES: [&str; 10] = ["kill", "stop", "start", "restart", "status", "leader", "log", "wait", "help", "quit"];

/// What `help` prints.
pub const HELP: &str = "\
kill 3       end server 3 at once (SIGKILL)
stop 3       let server 3 end in order (SIGTERM)
start 3      start server 3 on the data it has
restart 3    stop, then start
log 3 [50]   the last lines that server 3 printed
status       all servers, once
leader       which server leads
wait         hold further commands until every running server serves (for scripts)
quit         stop all servers and leave; the data stays
Instead of a number: `leader`, or `all`.";

/// Reads one line. An empty line is no command; an error says what to type instead.
pub fn parse(line: &str) -> Result<Option<Command>, String> {
    let mut words = line.split_whitespace();
    let Some(name) = words.next() else { return Ok(None) };
    let mut argument = words.next();
    let mut target = || match argument.take() {
        Some("leader") => Ok(Target::Leader),
        Some("all") => Ok(Target::All),
        Some(id) => id.parse().map(Target::Id).map_err(|_| format!("`{id}` is not a server; type `{name} 3`")),
        None => Err(format!("which server? type `{name} 3`")),
    };
    let command = match name {
        "kill" => Command::Kill(target()?),
        "stop" => Command::Stop(target()?),
        "start" => Command::Start(target()?),
        "restart" => Command::Restart(target()?),
        "log" => {
            let target = target()?;
            let lines = words.next().map_or(Ok(LOG_LINES), str::parse);
            let lines = lines.map_err(|_| "how many lines? type `log 3 50`".to_owned())?;
            Command::Log(target, lines.min(LOG_LINES_MAX))
        }
        "status" => Command::Status,
        "leader" => Command::Leader,
        "wait" => Command::Wait,
        "help" | "?" => Command::Help,
        "quit" | "exit" => Command::Quit,
        _ => return Err(unknown(name)),
    };
    match argument.or_else(|| words.next()) {
        Some(extra) => Err(format!("`{extra}` is too much after `{name}`; `help` lists the commands")),
        None => Ok(Some(command)),
    }
}

/// The rest of the only command that begins like this, with a blank if it takes a server.
pub fn completion(typed: &str) -> Option<String> {
    let mut fitting = NAMES.iter().filter(|name| name.starts_with(typed) && !typed.is_empty());
    let (first, second) = (fitting.next()?, fitting.next());
    let takes_server = matches!(*first, "kill" | "stop" | "start" | "restart" | "log");
    let blank = if takes_server { " " } else { "" };
    second.is_none().then(|| format!("{}{blank}", &first[typed.len()..]))
}

fn unknown(name: &str) -> String {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
    let near = match completion(name) {
        Some(rest) => Some(format!("{name}{}", rest.trim_end())),
        None => {
            let nearest = NAMES.iter().map(|known| (distance(&shown, known), known)).min();
            nearest.filter(|(distance, _)| *distance <= TYPOS_MAX).map(|(_, known)| (*known).to_owned())
        }
    };
    match near {
        Some(near) => format!("unknown command `{shown}`; did you mean `{near}`?"),
        None => format!("unknown command `{shown}`; `help` lists the commands"),
    }
}

/// Letters to add, drop or change to get from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.chars().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[row.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands() {
        let check = |line: &str, expected: Command| assert_eq!(parse(line), Ok(Some(expected)), "{line:?}");
        check("kill 3", Command::Kill(Target::Id(3)));
        check("  kill   leader ", Command::Kill(Target::Leader));
        check("kill all\n", Command::Kill(Target::All));
        check("stop 3", Command::Stop(Target::Id(3)));
        check("start 3", Command::Start(Target::Id(3)));
        check("restart 3", Command::Restart(Target::Id(3)));
        check("log 3", Command::Log(Target::Id(3), 20));
        check("log 3 5", Command::Log(Target::Id(3), 5));
        check("log 3 999999", Command::Log(Target::Id(3), 1000));
        check("status", Command::Status);
        check("leader", Command::Leader);
        check("wait", Command::Wait);
        check("help", Command::Help);
        check("quit", Command::Quit);
        check("exit", Command::Quit);
        assert_eq!(parse(" \t"), Ok(None));
    }

    #[test]
    fn mistakes_are_explained() {
        let check = |line: &str, expected: &str| assert_eq!(parse(line), Err(expected.to_owned()), "{line:?}");
        check("kill", "which server? type `kill 3`");
        check("kill three", "`three` is not a server; type `kill 3`");
        check("kill -1", "`-1` is not a server; type `kill 3`");
        check("kill 1 2", "`2` is too much after `kill`; `help` lists the commands");
        check("status 1", "`1` is too much after `status`; `help` lists the commands");
        check("log 3 many", "how many lines? type `log 3 50`");
        check("kil 3", "unknown command `kil`; did you mean `kill`?");
        check("strat 3", "unknown command `strat`; did you mean `start`?");
        check("q", "unknown command `q`; did you mean `quit`?");
        check("xyz", "unknown command `xyz`; `help` lists the commands");
    }

    #[test]
    fn completions() {
        assert_eq!(completion("k").as_deref(), Some("ill "));
        assert_eq!(completion("statu").as_deref(), Some("s"));
        assert_eq!(completion("st"), None);
        assert_eq!(completion(""), None);
        assert_eq!(completion("kill 3"), None);
    }

    proptest! {
        #[test]
        fn any_line_has_an_answer(line in "\\PC{0,80}") {
            let _ = parse(&line);
            let _ = completion(&line);
        }
    }
}
