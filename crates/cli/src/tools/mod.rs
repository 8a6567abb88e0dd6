//! Tools for the people who run ensembles, beside Apache's shell.
//!
//! Of the tools about trees, what they decide and how they write it is pure: [`crate::path`], [`glob`], [`kind`], [`frontier`], [`node`], [`dump`],
//! [`plan`], [`place`], [`seen`]. What talks to servers and files is thin: [`session`], [`walk`], [`source`], [`copy`], [`out`]; and each
//! tool, in a module of its name, joins the two. Those about servers go by what [`servers`] finds out.

pub mod completions;
pub mod copy;
pub mod cp;
pub mod diff;
pub mod dump;
#[cfg(test)]
mod dump_test;
pub mod ensemble;
pub mod export;
pub mod find;
pub mod frontier;
pub mod glob;
pub mod import;
pub mod kind;
pub mod node;
pub mod out;
pub mod owner;
pub mod place;
pub mod plan;
pub mod seen;
pub mod servers;
pub mod session;
pub mod source;
pub mod top;
pub mod tree;
pub mod walk;
pub mod watch;
