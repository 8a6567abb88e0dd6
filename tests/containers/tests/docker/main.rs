//! The image and the lab on a real Docker engine.
//!
//! One program, because starting an engine and building the images is work to be done once. Each test has containers,
//! volumes and a bridge of its own.
#![allow(clippy::print_stdout, reason = "what was measured along the way is worth reading")]

mod apache;
mod environment;
mod faults;
mod image;
mod lab;
mod memory;
mod monitoring;
mod names;
mod official;
