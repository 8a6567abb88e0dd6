//! `zkServer.sh`: the verbs of Apache's script, with its output and exit codes, as a name of this one binary. Reference:
//! `bin/zkServer.sh` and `bin/zkEnv.sh`; where this differs is in `docs/zkserver.md`.
//!
//! ```text
//! arguments ── Call ──┐
//! environment ────────┼── Setup ── start (daemon, pid file) · stop · status · start-foreground · print-cmd
//! zoo.cfg ── ZooCfg ──┘
//! ```
//! The server itself knows nothing of pid files: they are the script's affair alone.

mod client_port;
mod pid_file;
mod process;
mod reason;
mod start;
mod status;
mod stop;
mod surroundings;
mod zoo_cfg;

use crate::commands::ConfigArgs;
use crate::commands::run::{self, RunArgs};
use crate::four_letter;
use anyhow::Result;
use pid_file::PidFile;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use surroundings::Surroundings;
use zoo_cfg::ZooCfg;

pub use start::leave_the_terminal_if_asked;

/// The file in the configuration directory where neither an argument nor `ZOOCFG` names one.
const FILE: &str = "zoo.cfg";
/// The directory that a data directory has once there is data.
const VERSION_DIR: &str = "version-2";

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

impl Call {
    /// Reads the arguments behind the program's name; `None` where there is no verb.
    fn parse(mut arguments: impl Iterator<Item = String>, surroundings: &Surroundings) -> Option<Call> {
        let mut verb = arguments.next()?;
        let mut conf_dir = surroundings.conf_dir.clone();
        if verb == "--config" {
            conf_dir = Some(PathBuf::from(arguments.next()?));
            verb = arguments.next()?;
        }
        let in_dir = |name: &str| match (&conf_dir, Path::new(name).components().count()) {
            // A path with a directory in it stands for itself.
            (Some(dir), 1) => dir.join(name),
            _ => PathBuf::from(name),
        };
        let file = match (arguments.next().as_deref().or(surroundings.file.as_deref()), &conf_dir) {
            (Some(name), _) => ConfigFile::Named(in_dir(name)),
            (None, Some(dir)) => ConfigFile::Default(dir.join(FILE)),
            (None, None) => ConfigFile::Unknown,
        };
        Some(Call { verb, file })
    }
}

/// What every verb goes by.
#[derive(Debug)]
struct Setup {
    /// The file to read, if there is one.
    config: ConfigArgs,
    /// That file, as the script sees it; empty where it cannot be read.
    cfg: ZooCfg,
    surroundings: Surroundings,
}

impl Setup {
    /// Says on standard error what is used, as the script does.
    fn new(file: &ConfigFile, surroundings: Surroundings) -> Setup {
        let path = match file {
            ConfigFile::Named(path) => Some(path.clone()),
            ConfigFile::Default(path) => path.is_file().then(|| path.clone()),
            ConfigFile::Unknown => None,
        };
        match (&path, file) {
            (Some(path), _) => eprintln!("Using config: {}", path.display()),
            (None, ConfigFile::Default(path)) => {
                eprintln!("Using config: the environment ({} is not there)", path.display())
            }
            (None, _) => eprintln!("Using config: the environment"),
        }
        surroundings.say_what_is_not_read(path.as_deref());
        let cfg = path.as_deref().map(|path| (path, ZooCfg::read(path)));
        let cfg = match cfg {
            Some((path, Err(error))) => {
                eprintln!("{}: {error}", path.display());
                ZooCfg::default()
            }
            Some((_, Ok(cfg))) => cfg,
            None => ZooCfg::default(),
        };
        Setup { config: ConfigArgs { config: path, ..ConfigArgs::default() }, cfg, surroundings }
    }

    /// The data directory: as the file says, even a file that no server would take; else as the environment says.
    fn data_dir(&self) -> Option<PathBuf> {
        let of_file = self.cfg.value("dataDir").map(PathBuf::from);
        of_file.or_else(|| Some(self.config.read().ok()?.0.data_dir().to_owned()))
    }

    /// The pid file; `None` where no variable names it and no data directory is known.
    fn pid_file(&self) -> Option<PidFile> {
        let named = self.surroundings.pid_file.clone();
        let path = named.or_else(|| Some(self.data_dir()?.join(pid_file::NAME)))?;
        Some(PidFile { path })
    }

    /// What the script says where `ZOO_DATADIR_AUTOCREATE_DISABLE` is set and a directory is missing.
    fn missing_directory(&self) -> Option<String> {
        if !self.surroundings.directories_must_exist {
            return None;
        }
        let is_missing = |dir: &Path| !dir.join(VERSION_DIR).is_dir();
        let line = |what: &str, dir: &Path| {
            format!("ZooKeeper {what} directory is missing at {} fix the path or run initialize", dir.display())
        };
        let data_dir = self.data_dir().unwrap_or_default();
        if is_missing(&data_dir) {
            return Some(line("data", &data_dir));
        }
        let log_dir = self.cfg.value("dataLogDir").map(PathBuf::from)?;
        is_missing(&log_dir).then(|| line("txnlog", &log_dir))
    }
}

/// Does what the script of this name was called for; `name` is how, for the usage.
///
/// # Errors
/// As `run` where the server was to be started in the foreground.
pub fn run(name: &str, arguments: impl Iterator<Item = String>) -> Result<ExitCode> {
    let surroundings = Surroundings::of_process(name);
    let Some(call) = Call::parse(arguments, &surroundings) else { return Ok(usage(name)) };
    let verb = call.verb.as_str();
    if verb == "version" {
        print(&format!("Apache ZooKeeper, version {}", four_letter::version()));
        return Ok(ExitCode::SUCCESS);
    }
    if !["start", "start-foreground", "stop", "restart", "status", "print-cmd"].contains(&verb) {
        return Ok(usage(name));
    }
    let setup = Setup::new(&call.file, surroundings);
    if let Some(line) = setup.missing_directory() {
        print(&line);
        return Ok(ExitCode::FAILURE);
    }
    match verb {
        "start" => start::start(&setup),
        "stop" => Ok(stop::stop(&setup).exit_code()),
        "restart" => restart(&setup),
        "status" => Ok(status::status(&setup)),
        "print-cmd" => {
            print(&command_line(&setup)?);
            Ok(ExitCode::SUCCESS)
        }
        _ => run_here(&setup),
    }
}

/// The script waits for three seconds between the two, because it does not know when the process has ended.
fn restart(setup: &Setup) -> Result<ExitCode> {
    match stop::stop(setup) {
        stop::Outcome::Running => Ok(ExitCode::FAILURE),
        stop::Outcome::Stopped | stop::Outcome::NothingToStop | stop::Outcome::Foreign => start::start(setup),
    }
}

/// Becomes the server.
fn run_here(setup: &Setup) -> Result<ExitCode> {
    run::run(&RunArgs { config: setup.config.clone(), engine: None })
}

/// As in the script, asking for something unknown is no failure.
fn usage(name: &str) -> ExitCode {
    eprintln!("Usage: {name} [--config <conf-dir>] {{start|start-foreground|stop|version|restart|status|print-cmd}}");
    ExitCode::SUCCESS
}

fn command_line(setup: &Setup) -> Result<String> {
    let mut line = format!("\"{}\" run", std::env::current_exe()?.display());
    if let Some(file) = &setup.config.config {
        line += &format!(" --config \"{}\"", file.display());
    }
    Ok(line + &format!(" >> \"{}\" 2>&1 < /dev/null", setup.surroundings.output().display()))
}

#[expect(clippy::print_stdout, reason = "the answer is what was asked for on standard output")]
fn print(line: &str) {
    println!("{line}");
}

/// Prints the beginning of a line whose end follows after some time.
#[expect(clippy::print_stdout, reason = "the answer is what was asked for on standard output")]
fn begin(line: &str) {
    print!("{line}");
    // A reader that is gone is no reason not to do what was asked for.
    let _ = std::io::stdout().flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str, surroundings: &Surroundings) -> Option<Call> {
        Call::parse(line.split_whitespace().map(str::to_owned), surroundings)
    }

    #[test]
    fn the_configuration_is_found_as_the_script_finds_it() {
        let none = Surroundings::default();
        let image = Surroundings { conf_dir: Some("/conf".into()), ..Surroundings::default() };
        let named = Surroundings { file: Some("other.cfg".to_owned()), ..image.clone() };
        for (line, surroundings, expected) in [
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
            let call = parse(line, surroundings).unwrap();
            assert_eq!((call.verb.as_str(), call.file), ("status", expected), "{line} {surroundings:?}");
        }
        assert_eq!(parse("", &none), None);
        assert_eq!(parse("--config /etc/zk", &none), None);
    }

    #[test]
    fn the_pid_file_is_in_the_data_directory_unless_named() {
        let cfg = ZooCfg::from("dataDir = /var/zk \nthis line no server would take");
        let setup = |pid_file: Option<PathBuf>| Setup {
            config: ConfigArgs::default(),
            cfg: cfg.clone(),
            surroundings: Surroundings { pid_file, ..Surroundings::default() },
        };
        assert_eq!(setup(None).pid_file().unwrap().path, Path::new("/var/zk/zookeeper_server.pid"));
        assert_eq!(setup(Some("/run/zk.pid".into())).pid_file().unwrap().path, Path::new("/run/zk.pid"));
    }
}
