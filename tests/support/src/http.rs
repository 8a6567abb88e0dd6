//! Requests to a server's HTTP ports: one request a connection, read to its end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// An answer. Its body may be a file.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The three digits.
    pub status: u16,
    /// The status line and the header lines.
    pub head: String,
    /// What follows, put together where it was sent in pieces.
    pub body: Vec<u8>,
}

impl Answer {
    /// What a line of the head says, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    fn read(bytes: &[u8]) -> Option<Answer> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
        let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let answer = Answer { status, head, body: bytes[end + 4..].to_vec() };
        let is_chunked = answer.header("Transfer-Encoding").is_some_and(|coding| coding == "chunked");
        Some(if is_chunked { Answer { body: joined(&answer.body), ..answer } } else { answer })
    }
}

/// The pieces of a chunked body, one behind the other. An answer that was cut ends where it was cut.
fn joined(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|window| window == b"\r\n") {
        let length = std::str::from_utf8(&body[..end]).expect("a number");
        let length = usize::from_str_radix(length, 16).expect("a hexadecimal number");
        let rest = &body[end + 2..];
        if length == 0 || rest.len() < length + 2 {
            whole.extend_from_slice(&rest[..length.min(rest.len())]);
            break;
        }
        whole.extend_from_slice(&rest[..length]);
        body = &rest[length + 2..];
    }
    whole
}

/// Sends these bytes and reads to the end of the connection; `None` when there is no answer. The server may answer before it has
/// read everything, and close.
pub fn exchange(addr: SocketAddr, request: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect_timeout(&addr, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    // What could not be written shows in the answer, or in that there is none.
    let _ = stream.write_all(request);
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    if bytes.is_empty() {
        read.ok()?;
    }
    Answer::read(&bytes)
}

/// Sends a request. `extra` are more lines of its head, each with its line end; the length of the body comes first.
pub fn send(addr: SocketAddr, method: &str, path: &str, extra: &str, body: &[u8]) -> Option<Answer> {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {addr}\r\nContent-Length: {length}\r\nConnection: close\r\n{extra}\r\n"
    );
    exchange(addr, &[head.as_bytes(), body].concat())
}

/// Sends a request without a body; answers the status and the text.
pub fn request(addr: SocketAddr, method: &str, path: &str, extra: &str) -> Option<(u16, String)> {
    let answer = send(addr, method, path, extra, b"")?;
    Some((answer.status, answer.text()))
}
