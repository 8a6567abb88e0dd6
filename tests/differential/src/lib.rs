//! The same requests to a real Apache ZooKeeper 3.9.5 and to the server under test; every answer compared.
//!
//! A [`script::Script`] is a list of steps: open a session, send a batch of requests in one write, drop a connection.
//! [`run::run`] plays it to a server and notes all that comes back, connection by connection, as lines of text in which
//! only what *must* differ between two runs has been replaced by a symbol ([`mask`]): session ids, passwords, times.
//! Two transcripts are then equal line by line or the test fails, showing the step, both sides and the seed.
//!
//! No expected answer is written down anywhere: the reference answers in the same run.

pub mod compare;
pub mod document;
pub mod generate;
pub mod mask;
pub mod reply;
pub mod request;
pub mod run;
pub mod script;
pub mod target;
