//! What people type: Apache's shell, and tools for data directories and ensembles.

pub mod log;
pub mod path;
pub mod runtime;
pub mod shell;
pub mod snapshot;
pub mod tools;
pub mod zk;
