//! Tools for the people who run ensembles, beside Apache's shell.
//!
//! What they decide and how they write it is pure: [`path`], [`glob`], [`kind`], [`frontier`]. What talks to servers is thin: [`session`],
//! [`walk`], [`out`]; and each tool, in a module of its name, joins the two.

pub mod find;
pub mod frontier;
pub mod glob;
pub mod kind;
pub mod out;
pub mod path;
pub mod session;
pub mod tree;
pub mod walk;
