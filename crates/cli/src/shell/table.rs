//! The commands of Apache's shell: their names, what their usage texts say, their options. What runs, what completes and what `docs` and
//! man pages list is made from this table.

use super::options::{Group, Spec, flag, own, value};

/// What a command is, before it is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the name of a variant is that of the command")]
pub enum Verb {
    AddAuth,
    AddWatch,
    Close,
    Config,
    Connect,
    Create,
    Delete,
    DeleteAll,
    DelQuota,
    Get,
    GetAcl,
    GetAllChildrenNumber,
    GetEphemerals,
    Help,
    History,
    ListQuota,
    Ls,
    PrintWatches,
    Quit,
    Reconfig,
    Redo,
    RemoveWatches,
    Set,
    SetAcl,
    SetQuota,
    Stat,
    Sync,
    Version,
    WhoAmI,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Command {
    /// What it does.
    pub verb: Verb,
    /// Its name.
    pub name: &'static str,
    /// The arguments, in Apache's notation.
    pub arguments: &'static str,
    /// The options.
    pub options: &'static [Spec],
    /// Which of them exclude each other.
    pub group: Group,
    /// Whether the usage text lists the options behind the first line.
    pub lists_options: bool,
    /// One line of our own on what it is for.
    pub meaning: &'static str,
    /// An example.
    pub example: &'static str,
}

const fn command(
    verb: Verb,
    name: &'static str,
    arguments: &'static str,
    options: &'static [Spec],
    meaning: &'static str,
    example: &'static str,
) -> Command {
    Command { verb, name, arguments, options, group: Group::Free, lists_options: false, meaning, example }
}

const DATA_FILE: Spec = own("data-file", "the data are in this file; - is standard input");
const HEX: Spec = own("hex", "the data in hexadecimal");

/// Every command, by name as Java sorts them.
pub static COMMANDS: &[Command] = &[
    command(
        Verb::AddWatch,
        "addWatch",
        "[-m mode] path # optional mode is one of [PERSISTENT, PERSISTENT_RECURSIVE] - default is PERSISTENT_RECURSIVE",
        &[value("m", "")],
        "watches a znode, or a subtree, until the watch is removed",
        "addWatch -m PERSISTENT /app",
    ),
    command(Verb::AddAuth, "addauth", "scheme auth", &[], "says who this client is", "addauth digest alice:secret"),
    command(Verb::Close, "close", "", &[], "ends the session", "close"),
    command(
        Verb::Config,
        "config",
        "[-c] [-w] [-s]",
        &[flag("s", "stats"), flag("w", "watch"), flag("c", "client connection string")],
        "shows the members of the ensemble",
        "config -c",
    ),
    command(Verb::Connect, "connect", "host:port", &[], "begins a session with other servers", "connect zk2:2181"),
    command(
        Verb::Create,
        "create",
        "[-s] [-e] [-c] [-t ttl] path [data] [acl]",
        &[flag("e", "ephemeral"), flag("s", "sequential"), flag("c", "container"), value("t", "ttl"), DATA_FILE, HEX],
        "creates a znode",
        "create -e -s /app/worker- host1",
    ),
    command(
        Verb::Delete,
        "delete",
        "[-v version] path",
        &[value("v", "version")],
        "deletes a znode without children",
        "delete -v 3 /app",
    ),
    command(
        Verb::DeleteAll,
        "deleteall",
        "path [-b batch size]",
        &[value("b", "batch size")],
        "deletes a znode and everything below it",
        "deleteall /app -b 500",
    ),
    Command {
        group: Group::AtMostOne,
        ..command(
            Verb::DelQuota,
            "delquota",
            "[-n|-b|-N|-B] path",
            &[
                flag("n", "num soft quota"),
                flag("b", "bytes soft quota"),
                flag("N", "num hard quota"),
                flag("B", "bytes hard quota"),
            ],
            "takes a quota away",
            "delquota -n /app",
        )
    },
    Command {
        lists_options: true,
        ..command(
            Verb::Get,
            "get",
            "[-s] [-w] [-b] [-x] path",
            &[
                flag("s", "Print znode stats additionally"),
                flag("w", "Watch for changes on the znode"),
                flag("b", "Output data in base64 format"),
                flag("x", "Output data in hexdump format"),
            ],
            "shows the data of a znode",
            "get -s /app",
        )
    },
    command(
        Verb::GetAcl,
        "getAcl",
        "[-s] path",
        &[flag("s", "stats")],
        "shows who may do what with a znode",
        "getAcl /app",
    ),
    command(
        Verb::GetAllChildrenNumber,
        "getAllChildrenNumber",
        "path",
        &[],
        "counts everything below a znode",
        "getAllChildrenNumber /app",
    ),
    command(
        Verb::GetEphemerals,
        "getEphemerals",
        "path",
        &[],
        "lists the ephemerals of this session",
        "getEphemerals /app",
    ),
    command(Verb::Help, "help", "[command]", &[], "lists the commands, or tells of one", "help create"),
    command(Verb::History, "history", "", &[], "shows the last commands", "history"),
    command(Verb::ListQuota, "listquota", "path", &[], "shows a quota and what is used of it", "listquota /app"),
    command(
        Verb::Ls,
        "ls",
        "[-s] [-w] [-R] path",
        &[flag("?", "help"), flag("s", "stat"), flag("w", "watch"), flag("R", "recurse")],
        "lists the children of a znode, or everything below it",
        "ls -R /app",
    ),
    command(
        Verb::PrintWatches,
        "printwatches",
        "on|off",
        &[],
        "whether events of watches are shown",
        "printwatches off",
    ),
    command(Verb::Quit, "quit", "", &[], "ends the session and the shell", "quit"),
    command(
        Verb::Reconfig,
        "reconfig",
        "[-s] [-v version] [[-file path] | [-members serverID=host:port1:port2;port3[,...]*]] | [-add \
         serverId=host:port1:port2;port3[,...]]* [-remove serverId[,...]*]",
        &[
            flag("s", "stats"),
            value("v", "required current config version"),
            value("file", "path of config file to parse for membership"),
            value("members", "comma-separated list of config strings for non-incremental reconfig"),
            value("add", "comma-separated list of config strings for new servers"),
            value("remove", "comma-separated list of server IDs to remove"),
        ],
        "changes the members of the ensemble",
        "reconfig -remove 3 -add server.5=zk5:2888:3888;2181",
    ),
    command(Verb::Redo, "redo", "cmdno", &[], "does a command of the history again", "redo 3"),
    command(
        Verb::RemoveWatches,
        "removewatches",
        "path [-c|-d|-a] [-l]",
        &[
            flag("c", "child watcher type"),
            flag("d", "data watcher type"),
            flag("p", "persistent watcher type"),
            flag("r", "persistent recursive watcher type"),
            flag("a", "any watcher type"),
            flag("l", "remove locally when there is no server connection"),
        ],
        "removes watches of this session",
        "removewatches /app -d",
    ),
    Command {
        lists_options: true,
        ..command(
            Verb::Set,
            "set",
            "path data [-s] [-v version] [-b]",
            &[
                flag("s", "Print znode stats additionally"),
                value("v", "Set with an expected version"),
                flag("b", "Supply data in base64 format"),
                DATA_FILE,
                HEX,
            ],
            "replaces the data of a znode",
            "set /app 'two words' -v 3",
        )
    },
    command(
        Verb::SetAcl,
        "setAcl",
        "[-s] [-v version] [-R] path acl",
        &[flag("s", "stats"), value("v", "version"), flag("R", "recursive")],
        "says who may do what with a znode",
        "setAcl -R /app world:anyone:r,digest:alice:aGFzaA==:cdrwa",
    ),
    Command {
        group: Group::One,
        ..command(
            Verb::SetQuota,
            "setquota",
            "-n|-b|-N|-B val path",
            &[
                value("n", "num soft quota"),
                value("b", "bytes soft quota"),
                value("N", "num hard quota"),
                value("B", "bytes hard quota"),
            ],
            "bounds the znodes or bytes of a subtree",
            "setquota -N 1000 /app",
        )
    },
    command(
        Verb::Stat,
        "stat",
        "[-w] path",
        &[flag("w", "watch")],
        "shows the versions and times of a znode",
        "stat /app",
    ),
    command(Verb::Sync, "sync", "path", &[], "waits until this server knows what the leader knows", "sync /"),
    command(Verb::Version, "version", "", &[], "shows the version of this program", "version"),
    command(Verb::WhoAmI, "whoami", "", &[], "shows who this client is to the server", "whoami"),
];

/// The row of a command.
#[must_use]
pub fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}

impl Command {
    /// `CliCommand.getUsageStr`; of several lines where it lists options, the last of which ends.
    #[must_use]
    pub fn usage(&self) -> String {
        let first = format!("{} {}", self.name, self.arguments);
        if self.lists_options { format!("{first}\n{}", super::options::list(self.options)) } else { first }
    }
}

/// What Apache's shell says to a word that is no command (`ZooKeeperMain.usage`).
#[must_use]
pub fn overview() -> String {
    let mut text = "ZooKeeper -server host:port -client-configuration properties-file cmd args\n".to_owned();
    for command in COMMANDS.iter().filter(|command| command.verb != Verb::Help) {
        text += &format!("\t{} {}\n", command.name, command.arguments);
    }
    text
}

/// The name that is most like a word that is none, if one is close.
#[must_use]
pub fn nearest(word: &str) -> Option<&'static str> {
    let word = word.to_lowercase();
    let distances = COMMANDS.iter().map(|command| (distance(&word, &command.name.to_lowercase()), command.name));
    distances.min().filter(|(far, _)| *far <= 2).map(|(_, name)| name)
}

/// How many letters must be put in, taken out or replaced (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let cost = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_as_java_sorts() {
        let names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        assert_eq!(names, sorted);
    }

    /// The rows of the page, for a reader who knows Markdown: no bar may stand in a cell.
    fn rows() -> String {
        let mut text = "| Command | Arguments | What it does | As Apache's |\n| --- | --- | --- | --- |\n".to_owned();
        for command in COMMANDS {
            let ours =
                command.options.iter().filter(|option| option.ours).map(|option| format!(" [--{} value]", option.name));
            let arguments = format!("{}{}", command.arguments, ours.collect::<String>()).replace('|', "\\|");
            let arguments = if arguments.is_empty() { String::new() } else { format!("`{arguments}`") };
            let mark = if command.verb == Verb::Help { "ours" } else { "✓" };
            text += &format!("| `{}` | {arguments} | {} | {mark} |\n", command.name, command.meaning);
        }
        text
    }

    #[test]
    fn the_page_has_every_command() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/zkcli.md");
        let page = std::fs::read_to_string(&path).unwrap();
        let (begin, end) = ("<!-- commands: made from crates/cli/src/shell/table.rs -->\n", "<!-- end of commands -->");
        let (head, rest) = page.split_once(begin).unwrap();
        let (found, tail) = rest.split_once(end).unwrap();
        let expected = format!("\n{}\n", rows());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, format!("{head}{begin}{expected}{end}{tail}")).unwrap();
        } else {
            assert_eq!(found, expected, "UPDATE_DOCS=1 cargo test -p zookube-cli writes it");
        }
    }

    #[test]
    fn slips_are_recognized() {
        assert_eq!(nearest("lst"), Some("ls"));
        assert_eq!(nearest("getacl"), Some("getAcl"));
        assert_eq!(nearest("deletall"), Some("deleteall"));
        assert_eq!(nearest("frobnicate"), None);
    }
}
