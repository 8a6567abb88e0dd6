//! What the script takes from its environment and from where it lies (`zkEnv.sh`).

use crate::config::Environment;
use crate::init;
use std::path::{Path, PathBuf};

/// Shell files beside `zoo.cfg` that the script executes.
const SHELL_FILES: [&str; 2] = ["zookeeper-env.sh", "java.env"];

/// The variables, and what stands in for those that are not set.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Where configuration files are; `None` where nothing says it.
    pub conf_dir: Option<PathBuf>,
    /// `ZOOCFG`.
    pub file: Option<String>,
    /// `ZOOPIDFILE`.
    pub pid_file: Option<PathBuf>,
    /// Whether `ZOO_DATADIR_AUTOCREATE_DISABLE` is set.
    pub directories_must_exist: bool,
    /// Whether a daemon would end with this process's container.
    pub in_container: bool,
    /// The directory of the output.
    pub log_dir: PathBuf,
    /// The output's name in it.
    pub log_file: String,
}

impl Surroundings {
    /// Those of this process, a script of this name, as it was called.
    #[must_use]
    pub fn of_process(name: &str) -> Surroundings {
        let beside = bin_dir(name).map(|dir| dir.join(".."));
        let in_container = init::is_first() || is_yes(Environment::of_process().get("ZOOKUBE_CONTAINER"));
        Surroundings::of(&Environment::of_process(), beside.as_deref(), in_container)
    }

    /// `prefix` is the directory above the script's.
    fn of(environment: &Environment, prefix: Option<&Path>, in_container: bool) -> Surroundings {
        let path = |name: &str| environment.get(name).map(PathBuf::from);
        let beside = || prefix.map(|prefix| prefix.join("conf")).filter(|dir| dir.is_dir());
        let log_dir = path("ZOO_LOG_DIR").or_else(|| Some(prefix?.join("logs")));
        let user = environment.get("USER").unwrap_or_default();
        let host = environment.get("HOSTNAME").or(environment.host_name.as_deref()).unwrap_or_default();
        let log_file = environment.get("ZOO_LOG_FILE").map(str::to_owned);
        Surroundings {
            conf_dir: path("ZOOCFGDIR").or_else(|| path("ZOO_CONF_DIR")).or_else(beside),
            file: environment.get("ZOOCFG").map(str::to_owned),
            pid_file: path("ZOOPIDFILE"),
            directories_must_exist: environment.get("ZOO_DATADIR_AUTOCREATE_DISABLE").is_some(),
            in_container,
            log_dir: log_dir.unwrap_or_else(|| PathBuf::from("logs")),
            log_file: log_file.unwrap_or_else(|| format!("zookeeper-{user}-server-{host}.out")),
        }
    }

    /// The file for the output of a server in the background. The script's server has a log file besides; here the output is the
    /// log, so it goes where either name says.
    #[must_use]
    pub fn output(&self) -> PathBuf {
        self.log_dir.join(&self.log_file)
    }

    /// The script executes shell files beside the configuration. What they set is missed here, and so said.
    pub fn say_what_is_not_read(&self, config: Option<&Path>) {
        let dir = config.and_then(Path::parent).map(Path::to_owned).or_else(|| self.conf_dir.clone());
        let found = SHELL_FILES.iter().filter_map(|name| Some(dir.as_ref()?.join(name))).filter(|path| path.is_file());
        for path in found {
            eprintln!(
                "{} is not read. hint: it is a shell's; what it sets for the server belongs in zoo.cfg or the environment",
                path.display()
            );
        }
    }
}

/// The directory of the script, or of the program where it was found by its name alone.
fn bin_dir(name: &str) -> Option<PathBuf> {
    let called = Path::new(name);
    if called.components().count() > 1 {
        return std::path::absolute(called.parent()?).ok();
    }
    Some(std::env::current_exe().ok()?.parent()?.to_owned())
}

fn is_yes(value: Option<&str>) -> bool {
    matches!(value, Some("1" | "true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Environment { variables, host_name: Some("zk1".to_owned()) }
    }

    #[test]
    fn directories_are_beside_the_script_unless_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let of = |variables: &[(&str, &str)]| Surroundings::of(&environment(variables), Some(dir.path()), false);
        assert_eq!(of(&[]).conf_dir, None, "there is none");
        std::fs::create_dir(dir.path().join("conf")).unwrap();
        assert_eq!(of(&[]).conf_dir, Some(dir.path().join("conf")));
        assert_eq!(of(&[("ZOO_CONF_DIR", "/b")]).conf_dir, Some("/b".into()));
        assert_eq!(of(&[("ZOOCFGDIR", "/a"), ("ZOO_CONF_DIR", "/b")]).conf_dir, Some("/a".into()));
        assert_eq!(of(&[("USER", "me")]).output(), dir.path().join("logs/zookeeper-me-server-zk1.out"));
    }

    #[test]
    fn the_output_has_the_scripts_name_unless_named() {
        let output = |variables: &[(&str, &str)]| Surroundings::of(&environment(variables), None, false).output();
        assert_eq!(output(&[("ZOO_LOG_DIR", "/l")]), Path::new("/l/zookeeper--server-zk1.out"));
        let named = [("ZOO_LOG_DIR", "/l"), ("USER", "me"), ("HOSTNAME", "h")];
        assert_eq!(output(&named), Path::new("/l/zookeeper-me-server-h.out"));
        assert_eq!(output(&[("ZOO_LOG_DIR", "/l"), ("ZOO_LOG_FILE", "zk.log")]), Path::new("/l/zk.log"));
    }

    #[test]
    fn the_bin_directory_is_where_the_script_was_called() {
        assert_eq!(bin_dir("/opt/zk/bin/zkServer.sh"), Some("/opt/zk/bin".into()));
        assert!(bin_dir("bin/zkServer.sh").is_some_and(|dir| dir.is_absolute() && dir.ends_with("bin")));
        let own = std::env::current_exe().unwrap();
        assert_eq!(bin_dir("zkServer.sh").as_deref(), own.parent());
    }
}
