//! What the configuration is read from: a file, or the environment.

use std::io;
use std::path::{Path, PathBuf};

use super::LoadOptions;
use super::declared::{self, Declared};
use super::environment::Environment;
use super::jvm_flags;
use super::peers::Template;
use super::problem::{Place, Report};
use super::source::{self, Located};
use super::variables::{self, Effect, VARIABLES};

/// The name of the file in a configuration directory.
const FILE_NAME: &str = "zoo.cfg";
/// The configuration directory of the image, which need not be there.
const CONF_DIR_DEFAULT: &str = "/conf";

/// The keys, and what they were read from.
pub(super) struct Origin {
    /// The file; `None` if the environment is all there is.
    pub(super) file: Option<PathBuf>,
    /// What messages name that are about no line in particular.
    pub(super) place: Place,
    /// What the server list is called in messages.
    pub(super) list: Place,
    /// The keys in their order.
    pub(super) entries: Vec<Located>,
    /// How the servers are called, if they have one name with ordinals.
    pub(super) template: Option<Template>,
}

/// Chooses and reads: the file that was asked for, the one in the configuration directory, the environment.
pub(super) fn read(options: &LoadOptions, report: &mut Report) -> Option<Origin> {
    let environment = &options.environment;
    let file = match &options.file {
        Some(path) => Some((path.clone(), "; the path of a zoo.cfg is expected")),
        None => file_in_conf_dir(environment, report)?.map(|path| (path, "")),
    };
    warn_about_unknown(environment, report);
    let mut origin = match file {
        Some((path, hint)) => from_file(&path, hint, environment, report)?,
        None => from_environment(environment, report)?,
    };
    let flags = jvm_flags::read(environment, report);
    warn_about_java(environment, &flags.ignored, report);
    let mut below = flags.entries;
    if environment.get("ZOO_DATADIR_AUTOCREATE_DISABLE").is_some() {
        below.push(Located {
            place: Place::variable("ZOO_DATADIR_AUTOCREATE_DISABLE"),
            key: "datadir.autocreate".to_owned(),
            value: "false".to_owned(),
        });
    }
    // A property gives way to a line, and to an option before it can be called a repetition.
    origin.entries.splice(0..0, below);
    source::apply_overrides(&mut origin.entries, &options.overrides.keys);
    origin.entries = source::without_duplicates(origin.entries, report);
    Some(origin)
}

/// The file that takes the place of the environment: `Some(None)` if there is none, `None` if that cannot be told.
fn file_in_conf_dir(environment: &Environment, report: &mut Report) -> Option<Option<PathBuf>> {
    let named = ["ZOO_CONF_DIR", "ZOOCFGDIR"].into_iter().find_map(|name| Some((name, environment.get(name)?)));
    let Some((variable, directory)) = named else { return Some(None) };
    if let Some(other) = environment.get("ZOOCFGDIR").filter(|other| *other != directory) {
        report.warning(format_args!(
            "environment variable ZOOCFGDIR ({other}) has no effect here: ZOO_CONF_DIR ({directory}) is set"
        ));
    }
    let place = Place::variable(variable);
    let path = Path::new(directory).join(environment.get("ZOOCFG").unwrap_or(FILE_NAME));
    let error = match path.metadata() {
        Ok(_) => return Some(Some(path)),
        Err(error) => error,
    };
    if error.kind() != io::ErrorKind::NotFound {
        report.problem(&place, format_args!("whether {} is there cannot be told: {error}", path.display()));
        return None;
    }
    if directory != CONF_DIR_DEFAULT && !Path::new(directory).is_dir() {
        report.problem(
            &place,
            format_args!(
                "the directory {directory} does not exist. hint: mount it, correct the path, or remove the variable"
            ),
        );
        return None;
    }
    Some(None)
}

fn from_file(path: &Path, hint: &str, environment: &Environment, report: &mut Report) -> Option<Origin> {
    let problems_before = report.problems.len();
    let entries = source::read_file(path, hint, report);
    warn_about_displaced(environment, path, report);
    let place = Place::file(&path.display().to_string());
    (report.problems.len() == problems_before).then(|| Origin {
        file: Some(path.to_owned()),
        list: place.clone(),
        place,
        entries,
        template: None,
    })
}

fn from_environment(environment: &Environment, report: &mut Report) -> Option<Origin> {
    let place = Place::Environment;
    if !VARIABLES.iter().any(|variable| configures(variable.name, variable.effect, environment)) {
        report.problem(
            &place,
            "nothing says what to run: there is no --config, no zoo.cfg in $ZOO_CONF_DIR, and no ZOO_* or ZOOKUBE_* \
             variable. hint: give --config with the path of a zoo.cfg, or set ZOO_DATA_DIR and ZOO_SERVERS",
        );
        return None;
    }
    let Declared { entries, list, template } = declared::read(environment, report);
    Some(Origin { file: None, place, list, entries, template })
}

/// Whether somebody who set the variable meant a server to be configured by it.
fn configures(name: &str, effect: Effect, environment: &Environment) -> bool {
    let Some(value) = environment.get(name) else { return false };
    !variables::is_service_link(name, value)
        && match effect {
            Effect::Key { .. } | Effect::Declares => true,
            // The others go together with a file.
            Effect::Always => ["ZOO_MY_ID", "ZOOKUBE_CONTAINER"].contains(&name),
            Effect::Java | Effect::Elsewhere | Effect::NoEffect { .. } => false,
        }
}

/// The variables whose place a file takes. Those that the image sets anyway are not worth a word.
fn warn_about_displaced(environment: &Environment, path: &Path, report: &mut Report) {
    let is_displaced = |name: &&str, effect: Effect| match (environment.get(name), effect) {
        (Some(value), Effect::Key { image_default, .. }) => {
            image_default != Some(value) && !variables::is_service_link(name, value)
        }
        (Some(_), Effect::Declares) => true,
        _ => false,
    };
    let rows = VARIABLES.iter().map(|variable| (variable.name, variable.effect));
    let names: Vec<&str> = rows.filter(|(name, effect)| is_displaced(name, *effect)).map(|(name, _)| name).collect();
    if !names.is_empty() {
        report.warning(format_args!(
            "{} {} no effect: {} is there and takes the place of the environment",
            named(&names),
            if names.len() == 1 { "has" } else { "have" },
            path.display()
        ));
    }
}

fn warn_about_unknown(environment: &Environment, report: &mut Report) {
    for (name, value) in &environment.variables {
        if variables::is_unknown(name, value) {
            let guess = variables::nearest(name).map(|known| format!(": did you mean {known}?")).unwrap_or_default();
            report.warning(format_args!("environment variable {name} is unknown and has no effect{guess}"));
        }
        if let Some(Effect::NoEffect { quiet, reason }) = variables::find(name).map(|variable| variable.effect)
            && environment.get(name).is_some_and(|value| value != quiet)
        {
            report.warning(format_args!("environment variable {name} has no effect here: {reason}"));
        }
    }
}

/// One line for all that only a virtual machine needs.
fn warn_about_java(environment: &Environment, flags: &[&str], report: &mut Report) {
    let is_ignored = |name: &str| {
        if name.ends_with("JVMFLAGS") { flags.contains(&name) } else { environment.get(name).is_some() }
    };
    let rows = VARIABLES.iter().filter(|variable| variable.effect == Effect::Java);
    let names: Vec<&str> = rows.map(|variable| variable.name).filter(|name| is_ignored(name)).collect();
    if !names.is_empty() {
        report.warning(format_args!(
            "{} {} no effect here: there is no Java virtual machine",
            named(&names),
            if names.len() == 1 { "has" } else { "have" }
        ));
    }
}

fn named(names: &[&str]) -> String {
    format!("environment variable{} {}", if names.len() == 1 { "" } else { "s" }, names.join(", "))
}
