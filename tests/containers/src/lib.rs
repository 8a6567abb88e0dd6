//! What the tests on a real Docker engine need: the [`engine`] itself, the [`images`], and handles on [`container`]s,
//! [`network`]s and [`compose`] projects that remove what they made.
//!
//! Where no engine answers, one is started for the test program alone, with a network of its own: nothing it does can be
//! seen on this machine's network, and it is gone with everything in it when the program ends. An engine that was there
//! before is used as it is; what the tests make on it carries a label and is removed.
//!
//! Tests talk to servers from outside, over the bridge, with the bytes of [`support::session`].

pub mod compose;
pub mod container;
pub mod engine;
pub mod images;
pub mod network;
pub mod trio;
