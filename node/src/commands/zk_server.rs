//! `zkServer.sh`: the verbs of Apache's script that make sense where something else runs the process (an engine of
//! containers, systemd), as a name of this one binary. Reference: `bin/zkServer.sh`.
//!
//! `start-foreground` runs the server, `status`, `version` and `print-cmd` answer as the script does. `start`, `stop` and
//! `restart` say who does that here.

use crate::commands::ConfigArgs;
use crate::commands::run::{self, RunArgs};
use crate::config::Config;
use crate::exit::{self, one_line};
use crate::four_letter;
use crate::probe::{self, Finding, Target};
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// How long `status` waits for the server's answer.
const STATUS_PATIENCE: Duration = Duration::from_secs(5);
/// The file in the configuration directory where neither an argument nor `ZOOCFG` names one.
const FILE: &str = "zoo.cfg";

/// What the arguments ask for.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    verb: String,
    file: ConfigFile,
}

/// The configuration that a call is about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ConfigFile {
    /// This file, by its path.
    Named(PathBuf),
    /// This file of the configuration directory; where it is not there, the environment has the configuration.
    Default(PathBuf),
    /// No directory is known: the environment has the configuration.
    Unknown,
}

/// The variables of the environment that the script reads.
#[derive(Debug, Default)]
struct Variables {
    conf_dir: Option<PathBuf>,
    file: Option<String>,
}

impl Variables {
    fn of_process() -> Variables {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Variables { conf_dir: set("ZOOCFGDIR").or_else(|| set("ZOO_CONF_DIR")).map(PathBuf::from), file: set("ZOOCFG") }
    }
}

impl Call {
    /// Reads the arguments behind the program's name; `None` where there is no verb.
    fn parse(mut arguments: impl Iterator<Item = String>, variables: &Variables) -> Option<Call> {
        let mut verb = arguments.next()?;
        let mut conf_dir = variables.conf_dir.clone();
        if verb == "--config" {
            conf_dir = Some(PathBuf::from(arguments.next()?));
            verb = arguments.next()?;
        }
        let in_dir = |name: &str| match (&conf_dir, Path::new(name).components().count()) {
            // A path with a directory in it stands for itself.
            (Some(dir), 1) => dir.join(name),
            _ => PathBuf::from(name),
        };
        let file = match (arguments.next().as_deref().or(variables.file.as_deref()), &conf_dir) {
            (Some(name), _) => ConfigFile::Named(in_dir(name)),
            (None, Some(dir)) => ConfigFile::Default(dir.join(FILE)),
            (None, None) => ConfigFile::Unknown,
        };
        Some(Call { verb, file })
    }

    /// The file to read, if there is one; also says on standard error what is used, as the script does.
    fn config_args(&self) -> ConfigArgs {
        let file = match &self.file {
            ConfigFile::Named(path) => Some(path.clone()),
            ConfigFile::Default(path) => path.is_file().then(|| path.clone()),
            ConfigFile::Unknown => None,
        };
        match (&file, &self.file) {
            (Some(path), _) => eprintln!("Using config: {}", path.display()),
            (None, ConfigFile::Default(path)) => {
                eprintln!("Using config: the environment ({} is not there)", path.display())
            }
            (None, _) => eprintln!("Using config: the environment"),
        }
        ConfigArgs { config: file, ..ConfigArgs::default() }
    }
}

/// Does what `zkServer.sh` was called for.
///
/// # Errors
/// As `run` where the server was to be started.
pub fn run(arguments: impl Iterator<Item = String>) -> Result<ExitCode> {
    let Some(call) = Call::parse(arguments, &Variables::of_process()) else { return Ok(usage()) };
    match call.verb.as_str() {
        "start-foreground" => run::run(&RunArgs { config: call.config_args(), engine: None }),
        "status" => Ok(status(&call.config_args())),
        "version" => {
            print(&format!("Apache ZooKeeper, version {}", four_letter::version()));
            Ok(ExitCode::SUCCESS)
        }
        "print-cmd" => {
            print(&command_line(&call.config_args())?);
            Ok(ExitCode::SUCCESS)
        }
        verb @ ("start" | "stop" | "restart") => {
            eprintln!("{}", not_here(verb));
            Ok(ExitCode::FAILURE)
        }
        _ => Ok(usage()),
    }
}

/// As in the script, asking for something unknown is no failure.
fn usage() -> ExitCode {
    eprintln!(
        "Usage: zkServer.sh [--config <conf-dir>] {{start|start-foreground|stop|version|restart|status|print-cmd}}"
    );
    ExitCode::SUCCESS
}

fn not_here(verb: &str) -> String {
    let (who, remedy) = match verb {
        "start" => {
            ("starts", "`docker start`, `kubectl`, `systemctl start`; in a terminal: zkServer.sh start-foreground")
        }
        "stop" => ("stops", "`docker stop`, `kubectl delete pod`, `systemctl stop`, or SIGTERM to the process"),
        _ => ("restarts", "`docker restart`, `kubectl rollout restart`, `systemctl restart`"),
    };
    format!(
        "zkServer.sh {verb}: not done by this program: the container's engine or the service manager {who} the server. hint: {remedy}"
    )
}

fn command_line(arguments: &ConfigArgs) -> Result<String> {
    let program = std::env::current_exe()?;
    let mut line = format!("\"{}\" run", program.display());
    if let Some(file) = &arguments.config {
        line += &format!(" --config \"{}\"", file.display());
    }
    Ok(line)
}

fn status(arguments: &ConfigArgs) -> ExitCode {
    let config = match arguments.read() {
        Ok((config, _)) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(u8::try_from(exit::UNEXPECTED).unwrap_or(1));
        }
    };
    let target = Target::of(&config);
    print(&port_line(&config));
    let (lines, code) = status_lines(&target, &probe::ask(&target, STATUS_PATIENCE));
    for line in lines {
        print(&line);
    }
    code
}

fn port_line(config: &Config) -> String {
    let Target { host, port } = Target::of(config);
    format!("Client port found: {port}. Client address: {}. Client SSL: false.", host.as_deref().unwrap_or("localhost"))
}

/// The first line is the script's; the second says what it leaves open.
fn status_lines(target: &Target, finding: &Finding) -> (Vec<String>, ExitCode) {
    let reason = match finding {
        Finding::Serving { mode: Some(mode) } => return (vec![format!("Mode: {mode}")], ExitCode::SUCCESS),
        Finding::Serving { mode: None } => {
            format!("{target} serves clients, but 4lw.commands.whitelist lacks srvr, which would tell its mode.")
        }
        Finding::NotServing => format!("{target} runs, but does not serve clients: it has no leader."),
        Finding::Silent { reason } => one_line(reason),
    };
    (vec!["Error contacting service. It is probably not running.".to_owned(), reason], ExitCode::FAILURE)
}

#[expect(clippy::print_stdout, reason = "the answer is what was asked for on standard output")]
fn print(line: &str) {
    println!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str, variables: &Variables) -> Option<Call> {
        Call::parse(line.split_whitespace().map(str::to_owned), variables)
    }

    #[test]
    fn the_configuration_is_found_as_the_script_finds_it() {
        let none = Variables::default();
        let image = Variables { conf_dir: Some("/conf".into()), file: None };
        let named = Variables { conf_dir: Some("/conf".into()), file: Some("other.cfg".to_owned()) };
        for (line, variables, expected) in [
            ("status", &none, ConfigFile::Unknown),
            ("status", &image, ConfigFile::Default("/conf/zoo.cfg".into())),
            ("status", &named, ConfigFile::Named("/conf/other.cfg".into())),
            ("status my.cfg", &image, ConfigFile::Named("/conf/my.cfg".into())),
            ("status my.cfg", &named, ConfigFile::Named("/conf/my.cfg".into())),
            ("status my.cfg", &none, ConfigFile::Named("my.cfg".into())),
            ("status ./my.cfg", &image, ConfigFile::Named("./my.cfg".into())),
            ("status /etc/my.cfg", &image, ConfigFile::Named("/etc/my.cfg".into())),
            ("--config /etc/zk status", &image, ConfigFile::Default("/etc/zk/zoo.cfg".into())),
            ("--config /etc/zk status a.cfg", &image, ConfigFile::Named("/etc/zk/a.cfg".into())),
        ] {
            let call = parse(line, variables).unwrap();
            assert_eq!((call.verb.as_str(), call.file), ("status", expected), "{line} {variables:?}");
        }
        assert_eq!(parse("", &none), None);
        assert_eq!(parse("--config /etc/zk", &none), None);
    }

    #[test]
    fn status_says_what_the_script_says_and_why() {
        let target = Target { host: None, port: 2181 };
        let lines = |finding| status_lines(&target, &finding).0;
        assert_eq!(lines(Finding::Serving { mode: Some("follower".to_owned()) }), ["Mode: follower"]);
        assert_eq!(
            lines(Finding::NotServing),
            [
                "Error contacting service. It is probably not running.",
                "localhost:2181 runs, but does not serve clients: it has no leader."
            ]
        );
    }
}
