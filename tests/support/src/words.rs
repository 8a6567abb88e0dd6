//! The four-letter words.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(3);

/// Sends a four-letter word and returns all the server says; `None` when it cannot be reached or cuts the answer off.
pub fn ask(addr: SocketAddr, word: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&addr, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(word.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}

/// The value of the line `key: value` in the answer to `srvr`.
pub fn srvr_field(addr: SocketAddr, key: &str) -> Option<String> {
    let answer = ask(addr, "srvr")?;
    let value = answer.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))?;
    Some(value.to_owned())
}
