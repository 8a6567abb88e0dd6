//! Each row of `pitfalls` that raw bytes can show, as a short script; the expected answer is Apache's, from this run.

mod bytes;
mod common;
mod data;
mod local_sessions;
mod read_only;
mod reconfig;
mod sessions;
mod watches;
mod writes;
