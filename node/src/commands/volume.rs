//! `zookube-node volume`: whose data a data directory holds, and that its server is not to use it any more.

use std::io::{self, Write};
use std::process::ExitCode;

use super::ConfigArgs;
use crate::config::Config;
use crate::exit::{self, Fatal};
use crate::membership_files::MembershipFiles;
use crate::settings;
use crate::volume::Stamp;

/// Arguments of `volume`.
#[derive(Clone, Debug, clap::Args)]
pub struct VolumeCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Action {
    /// Print the stamp of the data directory.
    Show(ConfigArgs),
    /// Mark the data directory as that of a server that its ensemble has let go of: no server uses it any more, unless
    /// volume.retired=setAside moves its content aside. The server must be stopped.
    Retire(ConfigArgs),
}

/// Runs the command.
///
/// # Errors
/// When the configuration is wrong, the directory in use, or the stamp cannot be read or written.
pub fn run(command: &VolumeCommand) -> anyhow::Result<ExitCode> {
    let (Action::Show(arguments) | Action::Retire(arguments)) = &command.action;
    let config = arguments.load()?;
    match &command.action {
        Action::Show(_) => show(&config)?,
        Action::Retire(_) => retire(&config)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(config: &Config) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match Stamp::read(config.data_dir())? {
        None => writeln!(out, "{}: no stamp", config.data_dir().display())?,
        Some(stamp) => write!(out, "{stamp}")?,
    }
    Ok(())
}

fn retire(config: &Config) -> anyhow::Result<()> {
    let (dirs, _) = settings::dirs(config);
    let locked = store::open_dirs(&store::RealFs, &dirs, store::Autocreate::No);
    let _lock = locked.map_err(|error| Fatal::new(exit::DATA_DIR, error.to_string()))?;
    let stamp = Stamp::read(&dirs.data_dir)?.unwrap_or_default();
    let kept = MembershipFiles::of(config).newest_in_data_dir();
    let version = kept.map_or(config.membership.version, |kept| kept.version.max(config.membership.version));
    let stamp = Stamp { retired_at: Some(version), sid: stamp.sid.or(config.myid), ..stamp };
    stamp.write(&dirs.data_dir)?;
    writeln!(io::stdout().lock(), "{}: retired at configuration {version:x}", dirs.data_dir.display())?;
    Ok(())
}
