//! The table of commands: names, methods, who may, and what each does. The index page, the dispatcher, `docs/admin.md` and the
//! tests read it. A command is added by a row here and a function in [`super::commands`].

use super::call::{Call, Reply};
use super::commands::{change, clients, ensemble, hand_over, logs, owner, process, restore, server, snapshot};
use super::state::Running;
use axum::body::Body;
use std::pin::Pin;
use std::sync::Arc;

/// A row.
#[derive(Debug)]
pub struct Command {
    /// Its names, the primary one first.
    pub names: &'static [&'static str],
    /// By which methods it is asked; HEAD goes where GET does.
    pub methods: Methods,
    /// Who may ask.
    pub access: Access,
    /// What it does.
    pub run: Run,
    /// Whether Apache 3.9 has it.
    pub is_apaches: bool,
    /// One line for the documentation.
    pub meaning: &'static str,
}

/// By which methods a command is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Methods {
    /// GET.
    Get,
    /// POST.
    Post,
    /// GET, as in Apache, or POST, which is the right one for what changes something.
    Either,
}

/// Who may ask for a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Everybody,
    /// Whoever `admin.commandsFrom` admits, and who has proven to be named with all permissions in the ACL of `/`.
    Operators,
    /// Who has proven to have all permissions on `/` (Apache's `AuthRequest`), wherever they ask from.
    AllOnRoot,
}

/// An answer that is being waited for.
pub type Answering = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// What a command does.
#[derive(Clone, Copy)]
pub enum Run {
    /// Needs a server that serves; looks at figures, files and locks, on a thread that may wait for them.
    Serving(fn(&Call, &Running) -> Reply),
    /// Answers whatever state the server is in; on a thread that may wait.
    Anytime(fn(&Call) -> Reply),
    /// Needs a server that has read its data directory; waits for the driver, reads the request's body, or streams.
    Waiting(fn(Call, Arc<Running>, Body) -> Answering),
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Run::Serving(_) => "Serving",
            Run::Anytime(_) => "Anytime",
            Run::Waiting(_) => "Waiting",
        })
    }
}

/// One of Apache's, which only shows something.
const fn shows(names: &'static [&'static str], run: Run, meaning: &'static str) -> Command {
    Command { names, methods: Methods::Get, access: Access::Everybody, run, is_apaches: true, meaning }
}

/// One of Apache's, which changes something.
const fn changes(names: &'static [&'static str], run: Run, meaning: &'static str) -> Command {
    Command { names, methods: Methods::Either, access: Access::Operators, run, is_apaches: true, meaning }
}

/// One of ours, which only shows something.
const fn ours_shows(names: &'static [&'static str], run: Run, meaning: &'static str) -> Command {
    Command { names, methods: Methods::Get, access: Access::Everybody, run, is_apaches: false, meaning }
}

/// One of ours, which changes something.
const fn ours_changes(names: &'static [&'static str], run: Run, meaning: &'static str) -> Command {
    Command { names, methods: Methods::Post, access: Access::Operators, run, is_apaches: false, meaning }
}

use Run::{Anytime, Serving, Waiting};

/// All commands, by primary name.
pub static COMMANDS: &[Command] = &[
    shows(&["configuration", "conf", "config"], Serving(server::configuration), "ports, directories, ticks and limits"),
    changes(
        &["connection_stat_reset", "crst"],
        Serving(change::connection_stat_reset),
        "figures of all client connections begin anew",
    ),
    shows(
        &["connections", "cons"],
        Serving(clients::connections),
        "every client connection with its session and figures",
    ),
    shows(&["dirs"], Serving(server::dirs), "sizes of the directories of snapshots and of the log, in bytes"),
    shows(
        &["dump"],
        Serving(clients::dump),
        "sessions by the time they expire (leader and standalone), ephemerals by session",
    ),
    shows(&["environment", "env", "envi"], Anytime(process::environment), "the machine and the process"),
    shows(&["get_trace_mask", "gtmk"], Anytime(process::get_trace_mask), "the trace mask"),
    ours_changes(
        &["hand_over"],
        Waiting(hand_over::hand_over),
        "lets another server lead: `?to=SID`, or without it the voter that has acknowledged most",
    ),
    shows(&["hash"], Serving(server::hash), "digests of the tree at past zxids"),
    shows(
        &["initial_configuration", "icfg"],
        Serving(server::initial_configuration),
        "the text of `zoo.cfg` at the start, secrets hidden",
    ),
    shows(&["is_read_only", "isro"], Serving(server::is_read_only), "whether clients can only read"),
    shows(
        &["last_snapshot", "lsnp"],
        Serving(server::last_snapshot),
        "zxid (hexadecimal) and time (s) of the last snapshot",
    ),
    shows(&["leader", "lead"], Serving(ensemble::leader), "whether this server leads, and who does"),
    ours_shows(&["log_level"], Anytime(logs::log_level), "the level of the log, and for how long it holds"),
    shows(&["monitor", "mntr"], Serving(server::monitor), "all metrics"),
    changes(
        &["observer_connection_stat_reset", "orst"],
        Waiting(ensemble::observer_connection_stat_reset),
        "figures of the observers on this server begin anew",
    ),
    shows(
        &["observers", "obsr"],
        Waiting(ensemble::observers),
        "the observers that hang on this server, with their figures",
    ),
    ours_shows(
        &["owner"],
        Waiting(owner::owner),
        "`?path=/x`: whose ephemeral a znode is, who that is, and through which server it is connected",
    ),
    Command {
        names: &["restore", "rest"],
        methods: Methods::Post,
        access: Access::AllOnRoot,
        run: Waiting(restore::restore),
        is_apaches: true,
        meaning: "a standalone server goes on from the snapshot in the request's body, whatever it held before",
    },
    shows(&["ruok"], Serving(server::ruok), "nothing: no error means that the server serves"),
    shows(&["server_stats", "srvr"], Serving(server::server_stats), "version, state, zxid, packets and latencies"),
    ours_changes(
        &["set_log_level"],
        Anytime(logs::set_log_level),
        "`?level=debug&seconds=600`: the level of the log, for so long, or without `seconds` for good",
    ),
    changes(
        &["set_trace_mask", "stmk"],
        Anytime(process::set_trace_mask),
        "`?traceMask=N` sets the trace mask, which nothing here reads",
    ),
    ours_changes(
        &["shed_connections", "shed"],
        Waiting(change::shed_connections),
        "closes a share of the client connections, which then move to other servers: `?percentage=N` or `{\"percentage\": N}`, as in Apache 3.10",
    ),
    ours_shows(
        &["slow_operations"],
        Serving(logs::slow_operations),
        "the last operations slower than `slowOperation.thresholdMs`: whose, on what, and in which phase the time went",
    ),
    Command {
        names: &["snapshot", "snap"],
        methods: Methods::Get,
        access: Access::AllOnRoot,
        run: Waiting(snapshot::snapshot),
        is_apaches: true,
        meaning: "writes a snapshot and answers with the file, or with `?streaming=false` with its zxid and size alone",
    },
    changes(&["stat_reset", "srst"], Serving(change::stat_reset), "packet counts and latencies begin anew"),
    shows(&["stats", "stat"], Serving(clients::stats), "`server_stats` and the connections, in short"),
    shows(
        &["system_properties", "sysp"],
        Anytime(process::system_properties),
        "the configuration as Java properties, secrets hidden",
    ),
    shows(&["voting_view"], Serving(ensemble::voting_view), "the voters and their addresses"),
    shows(&["watch_summary", "wchs"], Serving(clients::watch_summary), "how many connections watch how many paths"),
    shows(&["watches", "wchc"], Serving(clients::watches), "watched paths by session"),
    shows(&["watches_by_path", "wchp"], Serving(clients::watches_by_path), "sessions by watched path"),
    shows(&["zabstate"], Anytime(ensemble::zabstate), "role, phase of the protocol and last zxid of a member"),
];

/// The command of this name, which may be any of its names.
#[must_use]
pub fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.names.contains(&name))
}

impl Command {
    /// The name it is called by in answers.
    #[must_use]
    pub fn primary_name(&self) -> &'static str {
        self.names[0]
    }
}

/// The rows of `docs/admin.md`.
#[must_use]
pub fn markdown() -> String {
    let mut text = "| Command | Method | Who | What |\n| --- | --- | --- | --- |\n".to_owned();
    for command in COMMANDS {
        let names: Vec<String> = command.names.iter().map(|name| format!("`{name}`")).collect();
        let methods = match command.methods {
            Methods::Get => "GET",
            Methods::Post => "POST",
            Methods::Either => "GET, POST",
        };
        let who = match command.access {
            Access::Everybody => "everybody",
            Access::Operators => "operators",
            Access::AllOnRoot => "all on `/`",
        };
        let ours = if command.is_apaches { "" } else { " Ours" };
        text += &format!("| {} | {methods} | {who} | {}.{ours} |\n", names.join(", "), command.meaning);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn names_are_in_order_and_mean_one_command() {
        let mut seen = BTreeSet::new();
        assert!(COMMANDS.iter().flat_map(|command| command.names).all(|name| seen.insert(*name)));
        assert!(COMMANDS.is_sorted_by_key(Command::primary_name));
        assert_eq!(find("srvr").map(Command::primary_name), Some("server_stats"));
        assert!(find("SRVR").is_none() && find("").is_none());
    }

    #[test]
    fn what_changes_something_is_not_for_everybody() {
        for command in COMMANDS {
            // A snapshot is got, and tells everything whatever the ACLs say.
            match command.access {
                Access::Everybody => assert_eq!(command.methods, Methods::Get, "{command:?}"),
                Access::Operators => assert_ne!(command.methods, Methods::Get, "{command:?}"),
                Access::AllOnRoot => {}
            }
        }
    }

    /// `UPDATE_DOCS=1 cargo test -p zookube-node --lib admin` writes the table.
    #[test]
    fn the_page_has_the_table() {
        const BEGIN: &str = "<!-- the table of commands, from node/src/admin/table.rs -->\n";
        const END: &str = "<!-- its end -->";
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/admin.md");
        let page = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = page.split_once(BEGIN).unwrap();
        let (_, after) = rest.split_once(END).unwrap();
        let expected = format!("{before}{BEGIN}{}{END}{after}", markdown());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &expected).unwrap();
        } else {
            assert!(
                page == expected,
                "docs/admin.md is out of date; run UPDATE_DOCS=1 cargo test -p zookube-node --lib admin"
            );
        }
    }
}
