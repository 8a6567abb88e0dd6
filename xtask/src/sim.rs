//! `cargo xtask sim`: whole ensembles in simulated time, from a seed.

use anyhow::Result;

use crate::workspace;

/// The crate, which is built apart from the others: with bugs that can be planted, which no server may have.
pub const PACKAGE: &str = "zookube-sim";

/// Optimised, with every assertion.
pub const PROFILE: &str = "sim";

/// Lets bugs be planted.
pub const FEATURE: &str = "bugs";

/// The command.
pub fn run(arguments: &[String]) -> Result<()> {
    let mut cargo = workspace::cargo();
    cargo.args(["run", "--quiet", "--locked", "--profile", PROFILE, "-p", PACKAGE, "--features", FEATURE, "--"]);
    workspace::run(cargo.args(arguments))
}
