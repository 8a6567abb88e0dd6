//! What the configuration's own checks say, and which server this is.

use super::finding::Finding;
use crate::config::{self, Config, LoadOptions, Mode, Place};

/// The effective configuration, as far as there is one.
#[derive(Debug)]
pub struct Read {
    /// The configuration, if it is valid.
    pub config: Option<Config>,
    /// What there is to say about it.
    pub findings: Vec<Finding>,
    /// There is nothing that could be checked: no file, no variables.
    pub nothing_configured: bool,
}

/// Reads the configuration as `run` would.
#[must_use]
pub fn read(options: &LoadOptions) -> Read {
    match config::load(options) {
        Ok((config, warnings)) => {
            let mut findings = vec![Finding::ok("config.valid", "", sentence(&config))];
            findings.extend(warnings.iter().map(|warning| {
                let (found, remedy) = split(&warning.to_string(), "docs/configuration.md lists every key and variable");
                Finding::warning("config.warning", "", found, remedy)
            }));
            findings.extend(identity(&config, options));
            Read { config: Some(config), findings, nothing_configured: false }
        }
        Err(error) => {
            let generic = "correct it; until then nothing that depends on it can be checked";
            let findings = error.problems.iter().map(|problem| {
                let (found, remedy) = split(&problem.to_string(), generic);
                Finding::problem("config.valid", "", found, remedy)
            });
            Read { config: None, findings: findings.collect(), nothing_configured: is_nothing(options) }
        }
    }
}

/// A message and its hint; `generic` where it has none of its own.
fn split(message: &str, generic: &str) -> (String, String) {
    let (found, remedy) = message.split_once(". hint: ").unwrap_or((message, generic));
    (found.to_owned(), remedy.to_owned())
}

fn sentence(config: &Config) -> String {
    let place = config.file.as_ref().map_or_else(|| "the environment".to_owned(), |file| file.display().to_string());
    let mode = match config.mode {
        Mode::Standalone => "a standalone server".to_owned(),
        Mode::Ensemble => format!("a member of an ensemble of {}", config.membership.servers.len()),
    };
    format!("{place} describes {mode} with data in {}", config.data_dir().display())
}

/// Which server this is and what says so. Sources that contradict each other are refused by the configuration, so those
/// that are there agree.
fn identity(config: &Config, options: &LoadOptions) -> Option<Finding> {
    let identity = config.identity()?;
    let mut places = vec![identity.place.clone()];
    if options.overrides.myid.is_some() {
        places.push(Place::CommandLine);
    }
    if options.environment.get("ZOO_MY_ID").is_some() {
        places.push(Place::variable("ZOO_MY_ID"));
    }
    places.dedup();
    let says = places.iter().map(Place::to_string).collect::<Vec<_>>().join(", and so says ");
    let stored = if identity.is_stored {
        String::new()
    } else {
        format!("; the first start writes it to {}", identity.file.display())
    };
    Some(Finding::ok("identity.myid", "", format!("this is server {}, says {says}{stored}", identity.sid)))
}

/// Whether nothing was configured at all, as opposed to something wrong.
fn is_nothing(options: &LoadOptions) -> bool {
    let names_missing_file = options.file.as_ref().is_some_and(|file| !file.exists());
    let says_nothing = options.file.is_none()
        && options.overrides.keys.is_empty()
        && !options.environment.variables.keys().any(|name| name.starts_with("ZOO"));
    names_missing_file || says_nothing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::finding::Status;
    use std::path::Path;

    fn options(file: &Path) -> LoadOptions {
        LoadOptions { file: Some(file.to_owned()), ..LoadOptions::default() }
    }

    fn write(dir: &Path, text: &str) -> std::path::PathBuf {
        let file = dir.join("zoo.cfg");
        std::fs::write(&file, text).expect("zoo.cfg");
        file
    }

    #[test]
    fn a_valid_configuration_says_who_this_is() {
        let dir = tempfile::tempdir().expect("a directory");
        let lines = "server.1=zk1:2888:3888\nserver.2=zk2:2888:3888\nserver.3=zk3:2888:3888\n";
        let text = format!("dataDir={}\nclientPort=2181\ninitLimit=10\nsyncLimit=5\n{lines}", dir.path().display());
        std::fs::write(dir.path().join("myid"), "2").expect("myid");
        let read = read(&options(&write(dir.path(), &text)));
        assert!(read.config.is_some());
        let identity = read.findings.iter().find(|finding| finding.id == "identity.myid").expect("an identity");
        assert!(identity.found.starts_with("this is server 2, says /"), "{identity:?}");
        assert!(read.findings[0].found.contains("an ensemble of 3"), "{:?}", read.findings);
    }

    #[test]
    fn a_number_of_the_environment_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let text = format!(
            "dataDir={}\nclientPort=2181\ninitLimit=10\nsyncLimit=5\nstandaloneEnabled=false\nserver.1=zk1:2888:3888\n",
            dir.path().display()
        );
        let mut options = options(&write(dir.path(), &text));
        options.environment.variables.insert("ZOO_MY_ID".to_owned(), "1".to_owned());
        let read = read(&options);
        let identity = read.findings.iter().find(|finding| finding.id == "identity.myid").expect("an identity");
        assert!(
            identity.found.contains("ZOO_MY_ID") && identity.found.contains("the first start writes"),
            "{identity:?}"
        );
        assert_eq!(identity.found.matches("ZOO_MY_ID").count(), 1, "{identity:?}");
    }

    #[test]
    fn hints_become_remedies() {
        assert_eq!(split("a is wrong. hint: mend a", "x"), ("a is wrong".to_owned(), "mend a".to_owned()));
        assert_eq!(split("a is wrong", "x"), ("a is wrong".to_owned(), "x".to_owned()));
    }

    #[test]
    fn every_mistake_is_a_finding() {
        let dir = tempfile::tempdir().expect("a directory");
        let read = read(&options(&write(dir.path(), "datadir=/x\nserver.1=zk1:2888\n")));
        assert!(read.config.is_none() && !read.nothing_configured);
        assert!(read.findings.len() >= 2, "{:?}", read.findings);
        assert!(read.findings.iter().all(|finding| finding.status == Status::Problem), "{:?}", read.findings);
    }

    #[test]
    fn a_file_that_is_not_there_is_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        assert!(read(&options(&dir.path().join("zoo.cfg"))).nothing_configured);
        assert!(read(&LoadOptions::default()).nothing_configured);
    }
}
