//! What surrounds the process: its environment variables and the name of its host.

use std::collections::BTreeMap;

/// The environment variables and the host's name. The default is an environment that says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Every variable; text that is not UTF-8 is replaced, because no setting has such a value.
    pub variables: BTreeMap<String, String>,
    /// The name the system gives this host, in a container that of the container.
    pub host_name: Option<String>,
}

impl Environment {
    /// The environment of this process.
    #[must_use]
    pub fn of_process() -> Environment {
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Environment {
            variables: std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect(),
            host_name: (!name.is_empty()).then_some(name),
        }
    }

    /// The trimmed value of a variable. An empty one counts as not set: compose files pass on what nobody set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}
