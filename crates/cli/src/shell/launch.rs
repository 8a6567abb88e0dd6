//! How the shell is started (`ZooKeeperMain.MyCommandOptions.parseOptions`, `bin/zkCli.sh`).

use super::answer::Output;
use clap::ValueEnum;
use std::path::PathBuf;

/// An option in front of the command.
#[derive(Debug, Clone, Copy)]
pub struct LaunchOption {
    /// As it is typed.
    pub name: &'static str,
    /// What its value looks like; empty where it takes none.
    pub value: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

/// All options, for `--help`, completion and the manual.
pub const OPTIONS: [LaunchOption; 8] = [
    option("-server", "HOST:PORT[,...][/CHROOT]", "where to connect (localhost:2181)"),
    option("-timeout", "MS", "the session's timeout to ask for (30000)"),
    option("-r", "", "a server without a quorum will do, for reading"),
    option("-waitforconnection", "", "fail unless there is a connection within the timeout"),
    option("-client-configuration", "FILE", "properties of Apache's client"),
    option("--output", "text|json|table", "how answers are written (text: as Apache's shell)"),
    option("--help", "", "show this"),
    option("--version", "", "show the version"),
];

const fn option(name: &'static str, value: &'static str, meaning: &'static str) -> LaunchOption {
    LaunchOption { name, value, meaning }
}

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The servers, with a chroot if need be.
    pub server: String,
    /// The session's timeout to ask for, ms.
    pub timeout_ms: i32,
    /// Whether a server without a quorum will do.
    pub read_only: bool,
    /// Whether to wait for a connection before anything else.
    pub wait_for_connection: bool,
    /// Java's properties of a client.
    pub client_configuration: Option<PathBuf>,
    /// How answers are written.
    pub output: Output,
    /// A command to run in place of asking for some; its name first.
    pub command: Vec<String>,
    /// Options that nobody knows, which are left alone.
    pub unknown: Vec<String>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Run the shell.
    Shell(Launch),
    /// Show how it is used.
    Help,
    /// Show the version.
    Version,
}

impl Default for Launch {
    fn default() -> Launch {
        Launch {
            server: "localhost:2181".to_owned(),
            timeout_ms: 30_000,
            read_only: false,
            wait_for_connection: false,
            client_configuration: None,
            output: Output::Text,
            command: Vec::new(),
            unknown: Vec::new(),
        }
    }
}

/// Reads the arguments behind the program's name. The first that is no option is the command, and the rest are its words.
///
/// # Errors
/// What is wrong with an option.
pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Start, String> {
    let mut launch = Launch::default();
    let mut arguments = arguments.peekable();
    while let Some(option) = arguments.next_if(|argument| argument.starts_with('-')) {
        let mut value = || arguments.next().ok_or_else(|| format!("Error: no argument found for option {option}"));
        match option.as_str() {
            "-server" => launch.server = value()?,
            "-timeout" => {
                let text = value()?;
                let wrong = |_| format!("-timeout: expected milliseconds as a whole number, found {text:?}");
                launch.timeout_ms = text.parse().map_err(wrong)?;
            }
            "-r" => launch.read_only = true,
            "-waitforconnection" => launch.wait_for_connection = true,
            "-client-configuration" => launch.client_configuration = Some(PathBuf::from(value()?)),
            "--output" | "-output" => launch.output = output(&value()?)?,
            "--help" => return Ok(Start::Help),
            "--version" => return Ok(Start::Version),
            other => match other.strip_prefix("--output=") {
                Some(text) => launch.output = output(text)?,
                None => launch.unknown.push(option),
            },
        }
    }
    launch.command = arguments.collect();
    Ok(Start::Shell(launch))
}

fn output(text: &str) -> Result<Output, String> {
    Output::from_str(text, true).map_err(|_| format!("--output: expected text, json or table, found {text:?}"))
}

/// Java's properties that change what a client does, and what becomes of them here (`ZKClientConfig`).
///
/// # Errors
/// Where the file asks for something that this shell cannot do, such as TLS.
pub fn check_configuration(file: &std::path::Path) -> Result<Vec<String>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("Error while processing {0}: {0} file is missing", file.display()),
        _ => format!("Error while processing {}: {error}", file.display()),
    })?;
    let mut left_alone = Vec::new();
    let is_comment = |line: &&str| !line.is_empty() && !line.starts_with(['#', '!']);
    for line in text.lines().map(str::trim).filter(is_comment) {
        let (key, value) = line.split_once(['=', ':']).map_or((line, ""), |(key, value)| (key.trim(), value.trim()));
        let is_on = value.eq_ignore_ascii_case("true");
        match key {
            "zookeeper.client.secure" if is_on => {
                return Err(format!(
                    "{}: {key}=true: this shell does not do TLS yet; connect to a port without it, or use Apache's zkCli.sh",
                    file.display()
                ));
            }
            "zookeeper.sasl.client" if is_on => {
                return Err(format!(
                    "{}: {key}=true: this shell does not do SASL; use Apache's zkCli.sh",
                    file.display()
                ));
            }
            "zookeeper.client.secure" | "zookeeper.sasl.client" => {}
            _ => left_alone.push(key.to_owned()),
        }
    }
    Ok(left_alone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(line: &str) -> Result<Start, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    fn launch(line: &str) -> Launch {
        match start(line) {
            Ok(Start::Shell(launch)) => launch,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn options_come_before_the_command() {
        assert_eq!(launch(""), Launch::default());
        let all = launch(
            "-server a:1,b:2/c -timeout 5000 -r -waitforconnection -client-configuration f --output json get -s /a",
        );
        assert_eq!(all.server, "a:1,b:2/c");
        assert_eq!((all.timeout_ms, all.read_only, all.wait_for_connection), (5000, true, true));
        assert_eq!((all.client_configuration, all.output), (Some(PathBuf::from("f")), Output::Json));
        assert_eq!(all.command, ["get", "-s", "/a"]);
        assert_eq!(launch("ls / -server x").command, ["ls", "/", "-server", "x"]);
        assert_eq!(launch("-x ls /").unknown, ["-x"]);
        assert_eq!(launch("--output=TABLE").output, Output::Table);
        assert_eq!(start("--help"), Ok(Start::Help));
    }

    #[test]
    fn each_option_of_the_table_is_known() {
        for LaunchOption { name, value, .. } in OPTIONS {
            let value = match value {
                "MS" => "1",
                "text|json|table" => "json",
                value => value,
            };
            match start(&format!("{name} {value}")) {
                Ok(Start::Shell(launch)) => assert!(launch.unknown.is_empty() && launch != Launch::default(), "{name}"),
                other => assert!(matches!(other, Ok(Start::Help | Start::Version)), "{name}: {other:?}"),
            }
            assert_eq!(start(name).is_err(), !value.is_empty(), "{name} without a value");
        }
    }

    #[test]
    fn what_makes_no_sense() {
        assert_eq!(start("-server"), Err("Error: no argument found for option -server".to_owned()));
        assert!(start("-timeout soon").is_err());
        assert!(start("--output xml").is_err());
    }

    #[test]
    fn properties_of_a_client() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("client.cfg");
        let check = |text: &str| {
            std::fs::write(&file, text).unwrap();
            check_configuration(&file)
        };
        assert_eq!(
            check("# nothing\nzookeeper.client.secure=false\njute.maxbuffer=5\n"),
            Ok(vec!["jute.maxbuffer".to_owned()])
        );
        assert!(check("zookeeper.client.secure = true").unwrap_err().contains("TLS"));
        assert!(check_configuration(&dir.path().join("none")).unwrap_err().ends_with("file is missing"));
    }
}
