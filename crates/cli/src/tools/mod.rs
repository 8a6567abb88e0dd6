//! Tools for the people who run ensembles, beside Apache's shell.

pub mod completions;
pub mod ensemble;
pub mod owner;
pub mod servers;
pub mod top;
