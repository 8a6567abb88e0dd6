//! Which program serves: this one, or a stock Apache ZooKeeper that it configures, starts and watches.

pub mod apache;

use crate::config::{Environment, Implementation};
use crate::exit::{self, Fatal};
use clap::ValueEnum;

/// The variable that chooses where no argument does.
const VARIABLE: &str = "ZOOKUBE_ENGINE";

/// What serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// This program.
    Zookube,
    /// A stock Apache ZooKeeper.
    Apache,
}

impl Engine {
    /// Whose server it starts.
    #[must_use]
    pub fn implementation(self) -> Implementation {
        match self {
            Engine::Zookube => Implementation::Zookube,
            Engine::Apache => Implementation::Apache,
        }
    }

    /// The engine asked for: by the argument, else by `ZOOKUBE_ENGINE`, else this program.
    ///
    /// # Errors
    /// When the variable names no engine.
    pub fn chosen(argument: Option<Engine>, environment: &Environment) -> Result<Engine, Fatal> {
        match (argument, environment.get(VARIABLE)) {
            (Some(engine), _) => Ok(engine),
            (None, None) => Ok(Engine::Zookube),
            (None, Some(name)) => Engine::from_str(name, true).map_err(|_| {
                Fatal::new(
                    exit::INVALID_INVOCATION,
                    format!("environment variable {VARIABLE}: found `{name}`, expected zookube or apache"),
                )
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_argument_counts_before_the_variable() {
        let environment =
            |value: &str| Environment { variables: [(VARIABLE.to_owned(), value.to_owned())].into(), host_name: None };
        for (argument, variable, expected) in [
            (None, "", Engine::Zookube),
            (None, "Apache", Engine::Apache),
            (Some(Engine::Zookube), "apache", Engine::Zookube),
        ] {
            assert_eq!(Engine::chosen(argument, &environment(variable)).unwrap(), expected, "{variable}");
        }
        let refusal = Engine::chosen(None, &environment("java")).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "environment variable ZOOKUBE_ENGINE: found `java`, expected zookube or apache"
        );
    }
}
